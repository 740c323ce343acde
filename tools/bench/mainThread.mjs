// What the main thread of a page does per frame, from a trace of the browser.

export const percentile = (values, share) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
};

const scriptAndLayout = new Set([
  'v8.callFunction', 'FunctionCall', 'EvaluateScript', 'FireAnimationFrame', 'TimerFire', 'RunMicrotasks', 'EventDispatch', 'HandlePostMessage', 'FireIdleCallback', 'ParseHTML', 'MinorGC', 'MajorGC',
  'Layout', 'UpdateLayoutTree', 'LocalFrameView::RunStyleAndLayoutLifecyclePhases', 'LocalFrameView::NotifyResizeObservers', 'IntersectionObserverController::computeIntersections',
]);

export const traceCategories = ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'toplevel', 'v8', 'blink', 'cc', '__metadata'];

/** Per frame: milliseconds of script, style and layout, and of all tasks, by the thread's own CPU clock and by the wall clock. */
export function framesOf(trace) {
  const events = trace.traceEvents;
  const main = events.find((event) => event.name === 'thread_name' && event.args.name === 'CrRendererMain' && events.some((other) => other.pid === event.pid && other.name === 'FireAnimationFrame'));
  const ours = events.filter((event) => event.pid === main.pid && event.tid === main.tid);
  const starts = ours.filter((event) => event.name === 'ProxyMain::BeginMainFrame' && event.ph === 'X').map((event) => event.ts).sort((a, b) => a - b);
  const sums = (wanted) => {
    const outer = ours.filter((event) => event.ph === 'X' && wanted(event)).sort((a, b) => a.ts - b.ts || b.dur - a.dur);
    const frames = starts.map(() => ({ wall: 0, cpu: 0 }));
    let frame = 0;
    let end = 0;
    for (const event of outer) {
      while (frame + 1 < starts.length && starts[frame + 1] <= event.ts) {
        frame += 1;
      }
      if (event.ts >= starts[0] && event.ts >= end) {
        end = event.ts + event.dur;
        frames[frame].wall += event.dur / 1000;
        frames[frame].cpu += (event.tdur ?? event.dur) / 1000;
      }
    }
    return frames.slice(1, -1);
  };
  return { scriptAndLayout: sums((event) => scriptAndLayout.has(event.name)), allTasks: sums((event) => event.name === 'RunTask') };
}
