// What time it is on the page. The sound is the clock where there is sound: pictures can wait, ears notice.

// The frame on screen at t: the k with times[k] <= t < times[k + 1]. Before the first picture the first is shown.
function frameAt(times, t) {
  let low = 0;
  let high = times.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle;
    else high = middle;
  }
  return low;
}

// A moment at which frame k is shown. Players keep time in whole microseconds or milliseconds; exactly at the frame's
// own time the rounding could show the frame before.
function momentOf(times, k) {
  const gap = k + 1 < times.length ? times[k + 1] - times[k] : Infinity;
  return times[k] + Math.min(0.001, gap / 2);
}

function soundClock(audio) {
  return {
    now: () => audio.currentTime,
    seek: (t) => { audio.currentTime = t; },
    play: () => audio.play(),
    pause: () => audio.pause(),
    speed: (factor) => { audio.playbackRate = factor; },
    isOver: () => audio.ended,
  };
}

function silentClock(duration) {
  let reached = 0;
  let since = null;
  let factor = 1;
  const now = () => (since === null ? reached : Math.min(duration, reached + factor * (performance.now() - since) / 1000));
  const restart = (t) => {
    reached = t;
    if (since !== null) since = performance.now();
  };
  return {
    now,
    seek: restart,
    play: async () => { since = performance.now(); },
    pause: () => { reached = now(); since = null; },
    speed: (value) => { restart(now()); factor = value; },
    isOver: () => now() >= duration,
  };
}

// The moment that a link to this page asks for, as a frame: #t=1.2 or #frame=30. Null where it asks for none.
function frameOfLink(fragment, times) {
  const asked = new URLSearchParams(fragment.replace(/^#/, ""));
  const number = (name) => (asked.get(name) ? Number(asked.get(name)) : NaN);
  if (Number.isFinite(number("t"))) return frameAt(times, number("t"));
  if (Number.isFinite(number("frame"))) return Math.max(0, Math.min(times.length - 1, Math.round(number("frame"))));
  return null;
}
