// Unpacks what gaze.py packed: four columns of whole numbers, as differences, byte planes apart, deflated.

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Column number `column` of n numbers, each the sum of the differences up to it, modulo 2 ** 32.
function columnOf(planes, column, n) {
  const values = new Uint32Array(n);
  const plane = (byte) => planes.subarray((4 * column + byte) * n, (4 * column + byte + 1) * n);
  const [b0, b1, b2, b3] = [0, 1, 2, 3].map(plane);
  let value = 0;
  for (let i = 0; i < n; i += 1) {
    value += b0[i] | (b1[i] << 8) | (b2[i] << 16) | (b3[i] << 24);
    values[i] = value;
    value = values[i];
  }
  return values;
}

// A list of fixations {observer, x, y} for every frame, x and y in video pixels.
async function unpackFixations(gaze, nFrames) {
  const planes = await inflate(bytesOf(gaze.packed));
  const [observer, frame, x, y] = [0, 1, 2, 3].map((column) => columnOf(planes, column, gaze.n));
  const frames = Array.from({ length: nFrames }, () => []);
  for (let i = 0; i < gaze.n; i += 1) {
    frames[frame[i]].push({ observer: observer[i], x: x[i] / gaze.parts_per_px, y: y[i] / gaze.parts_per_px });
  }
  return frames;
}

// A model's maps, each as bytes row by row: {frames, maps}. Null where the page has none.
async function unpackMaps(packed) {
  if (!packed) return null;
  const cells = packed.size[0] * packed.size[1];
  const bytes = await inflate(bytesOf(packed.packed));
  return { frames: packed.frames, maps: packed.frames.map((_, i) => bytes.subarray(i * cells, (i + 1) * cells)) };
}
