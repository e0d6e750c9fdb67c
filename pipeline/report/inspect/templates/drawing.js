// What lies over the picture: density, then fixations. Coordinates are video pixels, stretched to the canvas.

const DOT = 5; // radius of a fixation, CSS pixels
const OPAQUE_AT_PEAK = 0.8;

// A canvas as large as the screen shows it, in the screen's own pixels.
function fitCanvas(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((length) => Math.max(1, Math.round(length * scale)));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return scale;
}

// A density map as a small picture: coloured by its share of the peak, the more opaque the higher.
function densityPicture(map, rows, columns, palette) {
  const picture = new ImageData(columns, rows);
  const peak = map.reduce((highest, cell) => Math.max(highest, cell), 0) || 1;
  map.forEach((cell, i) => {
    const share = cell / peak;
    const colour = 3 * Math.round(255 * share);
    picture.data.set(palette.subarray(colour, colour + 3), 4 * i);
    picture.data[4 * i + 3] = Math.round(255 * OPAQUE_AT_PEAK * share ** 0.6);
  });
  return picture;
}

function drawDensity(canvas, map, rows, columns, palette) {
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(densityPicture(map, rows, columns, palette), 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

function drawFixation(context, x, y, radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  // two rings, so that a dot stands out from dark pictures and from bright ones
  context.lineWidth = radius * 0.5;
  context.strokeStyle = "#fff";
  context.stroke();
  context.lineWidth = radius * 0.2;
  context.strokeStyle = "#000";
  context.stroke();
}

function drawFixations(canvas, scale, fixations, video, colours, marked) {
  const context = canvas.getContext("2d");
  const last = (one) => Number(one.observer === marked); // above the others
  for (const one of [...fixations].sort((a, b) => last(a) - last(b))) {
    const [x, y] = [(one.x / video.width) * canvas.width, (one.y / video.height) * canvas.height];
    drawFixation(context, x, y, scale * DOT * (1 + last(one)), colours[one.observer]);
  }
}
