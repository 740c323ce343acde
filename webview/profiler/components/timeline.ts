/** `<glm-timeline>`: curves and phases on one time axis; zoomed and moved by wheel, drag, pinch, buttons and keys. */

import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { baseStyles } from '../../common/baseStyles';
import { formatDuration } from '../../common/numberFormat';
import { ThemeChanges } from '../../common/themeChanges';
import { drawTimeline, readTimelineColours, readTrack, timelineHeight, type TimelineColours } from '../timeline/drawTracks';
import { around, endAt, formatMoment, pan, zoom, type TimeWindow } from '../timeline/timeWindow';
import { buildTracks, extentOf, type TimelineData, type Track } from '../timeline/tracks';

const usualSpanMs = 60_000;
const mostSpanMs = 600_000;

@customElement('glm-timeline')
export class Timeline extends LitElement {
  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      canvas {
        display: block;
        width: 100%;
        touch-action: pan-y;
        cursor: grab;
      }
      canvas.dragging {
        cursor: grabbing;
      }
      .tools {
        margin: 8px 0;
      }
      .readout {
        min-height: 1.5em;
        margin: 6px 0 0;
        overflow-wrap: anywhere;
      }
      .keys {
        font-size: 0.92em;
      }
      vscode-button[aria-pressed='true'] {
        outline: 1px solid var(--vscode-focusBorder);
        outline-offset: 1px;
      }
    `,
  ];

  @property({ attribute: false }) data: TimelineData | undefined;
  /** Grows while one looks. */
  @property({ type: Boolean }) live = false;

  @state() private follows = true;
  @state() private paused = false;
  @state() private readout = '';
  @query('canvas') private canvas!: HTMLCanvasElement;

  private tracks: readonly Track[] = [];
  private shownData: TimelineData | undefined;
  private window: TimeWindow | undefined;
  private cursorMs: number | undefined;
  private colours: TimelineColours | undefined;
  private frame = 0;
  private dragX: number | undefined;
  private readonly resizes = new ResizeObserver(() => this.requestDraw());

  constructor() {
    super();
    new ThemeChanges(this, () => {
      this.colours = undefined;
      this.requestDraw();
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  override render(): TemplateResult {
    const button = (label: string, testId: string, action: () => void, pressed?: boolean): TemplateResult =>
      html`<vscode-button appearance="secondary" data-test=${testId} aria-pressed=${pressed === undefined ? nothing : String(pressed)} @click=${action}>${label}</vscode-button>`;
    return html`
      <div class="row tools">
        ${this.live ? html`${button(this.paused ? 'Resume' : 'Pause', 'pause', () => this.togglePause(), this.paused)} ${button('Follow', 'follow', () => this.follow(), this.follows)}` : ''}
        ${button('Last generation', 'last', () => this.showLast())} ${button('All', 'all', () => this.showAll())} ${button('Zoom in', 'zoom-in', () => this.zoomBy(0.5))} ${button('Zoom out', 'zoom-out', () => this.zoomBy(2))}
      </div>
      <canvas
        tabindex="0"
        role="img"
        data-test="timeline"
        aria-label="Timeline of memory, utilisation, speed and phases. Left and right move the reading line, with Shift they move the view; plus and minus zoom, L shows the last generation, A everything${this.live ? ', F follows, Space pauses' : ''}. The figures stand in the tables below."
        @wheel=${this.onWheel}
        @pointerdown=${this.onPointerDown}
        @pointermove=${this.onPointerMove}
        @pointerup=${this.onPointerUp}
        @pointerleave=${this.onPointerLeave}
        @dblclick=${() => this.showAll()}
        @keydown=${this.onKey}
      ></canvas>
      <p class="readout numbers" role="status" data-test="readout">${this.readout}</p>
      <p class="muted keys">Drag to move. Ctrl and wheel, pinch, or + and − zoom; Shift and wheel move. The arrow keys read single moments.</p>
    `;
  }

  protected override firstUpdated(): void {
    this.resizes.observe(this.canvas);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('data') && !this.paused) {
      this.take();
    }
  }

  /** The last generation fills the width. */
  showLast(): void {
    const last = this.shownData?.generations.at(-1);
    if (last !== undefined) {
      this.show(around({ startMs: last.submittedAtMs, endMs: last.submittedAtMs + last.totalMs }));
    }
  }

  /** For measurements: draws now, and returns how long it took. */
  drawNow(): number {
    const startedMs = performance.now();
    this.draw();
    return performance.now() - startedMs;
  }

  /** For measurements and tests. */
  moveBy(fraction: number): void {
    this.show(pan(this.currentWindow(), fraction));
  }

  private take(): void {
    this.shownData = this.data;
    this.tracks = this.data === undefined ? [] : buildTracks(this.data);
    const extent = this.data === undefined ? undefined : extentOf(this.data);
    if (extent !== undefined && (this.window === undefined || (this.live && this.follows))) {
      const span = this.window === undefined ? (this.live ? usualSpanMs : extent.endMs - extent.startMs) : this.window.endMs - this.window.startMs;
      this.window = this.live ? endAt({ startMs: 0, endMs: span }, extent.endMs) : around(extent);
      if (this.cursorMs !== undefined && this.cursorMs < this.window.startMs) {
        // What was read has moved out of sight.
        this.cursorMs = undefined;
        this.readout = '';
      }
    }
    this.requestDraw();
  }

  private currentWindow(): TimeWindow {
    return this.window ?? { startMs: 0, endMs: usualSpanMs };
  }

  private show(window: TimeWindow, keepsFollowing = false): void {
    this.window = window;
    this.follows = keepsFollowing && this.follows;
    this.requestDraw();
  }

  private showAll(): void {
    const extent = this.shownData === undefined ? undefined : extentOf(this.shownData);
    if (extent !== undefined) {
      this.show(around({ startMs: Math.max(extent.startMs, extent.endMs - mostSpanMs * (this.live ? 1 : Infinity)), endMs: extent.endMs }));
    }
  }

  private zoomBy(factor: number): void {
    // While it follows, the newest moment stays at the edge.
    this.show(zoom(this.currentWindow(), factor, this.follows && this.live ? 1 : 0.5), true);
  }

  private follow(): void {
    this.follows = true;
    this.paused = false;
    this.take();
  }

  private togglePause(): void {
    this.paused = !this.paused;
    if (!this.paused) {
      this.take();
    }
  }

  private readonly onWheel = (event: WheelEvent): void => {
    const width = this.canvas.clientWidth;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.show(zoom(this.currentWindow(), Math.exp(event.deltaY * 0.002), event.offsetX / width));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.show(pan(this.currentWindow(), (event.deltaX === 0 ? event.deltaY : event.deltaX) / width));
    }
  };

  private readonly onPointerDown = (event: PointerEvent): void => {
    this.dragX = event.clientX;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.classList.add('dragging');
  };

  private readonly onPointerMove = (event: PointerEvent): void => {
    const width = this.canvas.clientWidth;
    if (this.dragX !== undefined && event.clientX !== this.dragX) {
      this.show(pan(this.currentWindow(), (this.dragX - event.clientX) / width));
      this.dragX = event.clientX;
    }
    const { startMs, endMs } = this.currentWindow();
    this.read(startMs + (event.offsetX / width) * (endMs - startMs));
  };

  private readonly onPointerUp = (): void => {
    this.dragX = undefined;
    this.canvas.classList.remove('dragging');
  };

  private readonly onPointerLeave = (): void => {
    this.cursorMs = undefined;
    this.readout = '';
    this.requestDraw();
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const window = this.currentWindow();
    const side = event.key === 'ArrowRight' ? 1 : -1;
    const actions: Readonly<Record<string, () => void>> = {
      '+': () => this.zoomBy(0.5),
      '=': () => this.zoomBy(0.5),
      '-': () => this.zoomBy(2),
      l: () => this.showLast(),
      a: () => this.showAll(),
      ArrowLeft: () => this.step(window, side, event.shiftKey),
      ArrowRight: () => this.step(window, side, event.shiftKey),
      ...(this.live ? { f: () => this.follow(), ' ': () => this.togglePause() } : {}),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  };

  private step(window: TimeWindow, side: number, movesView: boolean): void {
    if (movesView) {
      this.show(pan(window, side * 0.2));
      return;
    }
    const span = window.endMs - window.startMs;
    const from = this.cursorMs ?? (side > 0 ? window.startMs : window.endMs);
    this.read(Math.min(window.endMs, Math.max(window.startMs, from + (side * span) / 50)));
  }

  private read(timeMs: number): void {
    this.cursorMs = timeMs;
    const { startMs, endMs } = this.currentWindow();
    const said = this.tracks.flatMap((track) => {
      const text = readTrack(track, timeMs);
      return text === '' ? [] : [`${track.title}: ${text}`];
    });
    this.readout = `${formatMoment(timeMs, (endMs - startMs) / 1000)}. ${said.join('. ')}`;
    this.requestDraw();
  }

  private requestDraw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const { canvas, tracks } = this;
    const width = canvas?.clientWidth ?? 0;
    const context = canvas?.getContext('2d') ?? undefined;
    if (context === undefined || width === 0) {
      return;
    }
    const ratio = devicePixelRatio;
    const height = timelineHeight(tracks);
    const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
      canvas.width = pixelWidth;
      canvas.height = pixelHeight;
      canvas.style.height = `${height}px`;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.colours ??= readTimelineColours(this);
    drawTimeline(context, { tracks, window: this.currentWindow(), width, cursorMs: this.cursorMs }, this.colours);
  }

  /** How long the shown part is, in words; for tests. */
  get shownSpan(): string {
    const { startMs, endMs } = this.currentWindow();
    return formatDuration(endMs - startMs);
  }
}
