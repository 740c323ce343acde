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
  const { ours, starts } = mainThreadOf(trace);
  const sums = (wanted) => {
    const frames = starts.map(() => ({ wall: 0, cpu: 0 }));
    let frame = 0;
    let end = 0;
    for (const event of ours.filter(wanted)) {
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

/** What script and layout spend their time on: own time of events, those inside left out, by the first group that has the name. */
const groups = {
  'script (with DOM calls)': /^(v8\.callFunction|FunctionCall|EvaluateScript|FireAnimationFrame|TimerFire|RunMicrotasks|EventDispatch|FireIdleCallback|DOMWindow|LocalDOMWindow|SerializedScript|AsyncTask)/,
  'parsing HTML': /^(ParseHTML|Document::(open|Document|write|close)|CSSParser|HTMLDocumentParser)/,
  'garbage collection': /GC|Heap/,
  style: /^(UpdateLayoutTree|Document::(updateStyle|recalcStyle|updateActiveStyle|rebuildLayoutTree|UpdateStyle)|StyleEngine|RuleSet|Style)/,
  'layout and text shaping': /^(Layout|LocalFrameView::performLayout|InlineNode|Blink\.Layout|.*ShapeText)/,
  'intersections (content-visibility)': /^IntersectionObserver/,
  'everything else': /./,
};

/** Mean milliseconds per frame by group, over all frames and over the heaviest tenth. */
export function breakdownOf(trace) {
  const { ours, starts } = mainThreadOf(trace);
  const frames = starts.map(() => ({ sum: 0, byGroup: Object.fromEntries(Object.keys(groups).map((group) => [group, 0])) }));
  const open = [];
  let index = 0;
  for (const event of ours.filter((entry) => entry.ts >= starts[0])) {
    while (index + 1 < starts.length && starts[index + 1] <= event.ts) {
      index += 1;
    }
    while (open.length > 0 && open.at(-1).end <= event.ts) {
      open.pop();
    }
    const outer = open.at(-1);
    if (outer === undefined && !scriptAndLayout.has(event.name)) {
      continue;
    }
    const ms = (event.tdur ?? event.dur) / 1000;
    const group = Object.keys(groups).find((name) => groups[name].test(event.name));
    frames[index].byGroup[group] += ms;
    if (outer === undefined) {
      frames[index].sum += ms;
    } else {
      outer.frame.byGroup[outer.group] -= ms;
    }
    open.push({ end: event.ts + event.dur, frame: frames[index], group });
  }
  const sorted = frames.slice(1, -1).sort((a, b) => a.sum - b.sum);
  const means = (list) => Object.fromEntries(Object.keys(groups).map((group) => [group, list.reduce((sum, frame) => sum + frame.byGroup[group], 0) / list.length]));
  return { all: means(sorted), heaviest: means(sorted.slice(Math.floor(sorted.length * 0.9))) };
}

/** Complete events of the page's main thread, the outer before the inner, and where frames begin. */
function mainThreadOf(trace) {
  const events = trace.traceEvents;
  const main = events.find((event) => event.name === 'thread_name' && event.args.name === 'CrRendererMain' && events.some((other) => other.pid === event.pid && other.name === 'FireAnimationFrame'));
  const ours = events.filter((event) => event.ph === 'X' && event.pid === main.pid && event.tid === main.tid).sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  return { ours, starts: ours.filter((event) => event.name === 'ProxyMain::BeginMainFrame').map((event) => event.ts) };
}
