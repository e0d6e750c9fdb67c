// The fixation density map, as pipeline.signals.density defines it: a cell holds the Gaussians' integral over it.

// Abramowitz & Stegun 7.1.26; off by at most 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}

// What of a Gaussian around `place` falls into each of n equal cells of [0, length].
function weightsOf(place, n, length, sigma) {
  const weights = new Float64Array(n);
  let below = erf((0 - place) / (sigma * Math.SQRT2));
  for (let cell = 0; cell < n; cell += 1) {
    const above = erf(((cell + 1) * length / n - place) / (sigma * Math.SQRT2));
    weights[cell] = (above - below) / 2;
    below = above;
  }
  return weights;
}

// The map of some fixations, row by row; its cells sum to 1, or are all 0 where nobody looks.
function densityOf(fixations, rows, columns, height, width, sigma) {
  const map = new Float64Array(rows * columns);
  for (const { x, y } of fixations) {
    const down = weightsOf(y, rows, height, sigma);
    const across = weightsOf(x, columns, width, sigma);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) map[row * columns + column] += down[row] * across[column];
    }
  }
  const mass = map.reduce((sum, cell) => sum + cell, 0);
  return mass > 0 ? map.map((cell) => cell / mass) : map;
}
