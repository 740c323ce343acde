/** The part of the time axis that is on screen. Pure: every change gives a new window. */

export interface TimeWindow {
  readonly startMs: number;
  readonly endMs: number;
}

/** From the shortest span worth seeing to more than is ever recorded live. */
const shortestMs = 0.05;
const longestMs = 24 * 3600_000;

/** `factor` below 1 shows less; the moment at `atFraction` of the width stays where it is. */
export function zoom(window: TimeWindow, factor: number, atFraction: number): TimeWindow {
  const span = window.endMs - window.startMs;
  const newSpan = Math.min(longestMs, Math.max(shortestMs, span * factor));
  const anchorMs = window.startMs + span * atFraction;
  const startMs = anchorMs - newSpan * atFraction;
  return { startMs, endMs: startMs + newSpan };
}

/** By a share of the width; positive is later. */
export function pan(window: TimeWindow, fraction: number): TimeWindow {
  const byMs = (window.endMs - window.startMs) * fraction;
  return { startMs: window.startMs + byMs, endMs: window.endMs + byMs };
}

/** The same span, ending at `endMs`. */
export function endAt(window: TimeWindow, endMs: number): TimeWindow {
  return { startMs: endMs - (window.endMs - window.startMs), endMs };
}

/** `inner` with some room on both sides. */
export function around(inner: TimeWindow): TimeWindow {
  const room = Math.max(1, (inner.endMs - inner.startMs) * 0.03);
  return { startMs: inner.startMs - room, endMs: inner.endMs + room };
}

/** Round moments for labels, at most `most` of them, and the distance between two. */
export function timeTicks({ startMs, endMs }: TimeWindow, most: number): { readonly ticks: readonly number[]; readonly stepMs: number } {
  const atLeastMs = (endMs - startMs) / Math.max(1, most);
  const magnitude = 10 ** Math.floor(Math.log10(atLeastMs));
  const decimal = [1, 2, 5, 10].map((factor) => factor * magnitude).find((step) => step >= atLeastMs) ?? atLeastMs;
  // Beyond ten seconds people count in parts of a minute and of an hour.
  const stepMs = atLeastMs <= 10_000 ? decimal : ([15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600].map((seconds) => seconds * 1000).find((step) => step >= atLeastMs) ?? decimal);
  const ticks: number[] = [];
  for (let tick = Math.ceil(startMs / stepMs) * stepMs; tick <= endMs && ticks.length <= most + 1; tick += stepMs) {
    ticks.push(tick);
  }
  return { ticks, stepMs };
}

/** A moment as the clock says it, as exactly as `stepMs` tells apart. */
export function formatMoment(timeMs: number, stepMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (stepMs >= 1000) {
    return clock;
  }
  const digits = Math.min(6, Math.max(1, Math.ceil(-Math.log10(stepMs / 1000))));
  const fraction = (((timeMs % 1000) + 1000) % 1000) / 1000;
  // 59.9996 s must not become 59 s and a fraction of 1.
  return `${clock}${Math.min(fraction, 1 - 10 ** -digits).toFixed(digits).slice(1)}`;
}
