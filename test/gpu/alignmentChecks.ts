/** Each kind of tensor put on the wrong device on purpose: exactly that kind is reported, with its size; nothing is when all is in its place. */

import { deviceId } from '../../src/common/deviceId';
import type { AlignmentMessage } from '../../src/common/alignment';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { generate, loadOptions, openEngine, tinyCheckpoints } from './engineFixture';
import type { GpuCheck } from './harness';

const contextTokens = 256;
const tiny = tinyCheckpoints().find(({ name }) => name === 'tiny-glm4') ?? tinyCheckpoints()[0];

interface Watched {
  readonly messages: readonly AlignmentMessage[];
  readonly ids: readonly number[];
}

async function watch(changes: Partial<LoadOptions>): Promise<Watched> {
  const engine = openEngine();
  const messages = new Map<string, AlignmentMessage>();
  try {
    engine.on('alignment-message', (message) => void messages.set(message.key, message));
    await engine.request('model-load', loadOptions(tiny?.folder ?? '', { contextTokens, alignment: 'warn', ...changes }));
    const { ids } = await generate(engine, tiny?.prompts[0]?.ids ?? [1, 2, 3], 6);
    return { messages: [...messages.values()], ids };
  } finally {
    await engine.end();
  }
}

interface Case {
  readonly misplace: NonNullable<LoadOptions['misplace']>[number];
  readonly kind: AlignmentMessage['kind'];
  readonly changes: Partial<LoadOptions>;
  /** No mode puts it right. */
  readonly isUnrepairable?: boolean;
  /** Bytes that must be reported, of all messages together. */
  readonly bytes: (model: { readonly vocabSize: number; readonly hiddenSize: number; readonly numLayers: number; readonly numKvHeads: number; readonly headDim: number }) => number;
}

function cases(devices: readonly string[]): readonly Case[] {
  const kv = (model: Parameters<Case['bytes']>[0]): number => model.numLayers * 2 * model.numKvHeads * contextTokens * model.headDim * 2;
  const stages: Partial<LoadOptions> = devices.length > 1 ? { deviceMap: { kind: 'balanced' } } : { numStages: 2 };
  return [
    { misplace: 'input_ids', kind: 'host-bound-inputs', changes: {}, bytes: () => 8 },
    { misplace: 'positions', kind: 'host-bound-inputs', changes: {}, bytes: () => 4 },
    { misplace: 'node', kind: 'node-fallback', changes: {}, bytes: ({ hiddenSize }) => 2 * hiddenSize * 4, isUnrepairable: true },
    { misplace: 'logits', kind: 'host-bound-inputs', changes: {}, bytes: ({ vocabSize }) => vocabSize * 4 },
    { misplace: 'kv', kind: 'kv-cache-on-cpu', changes: {}, bytes: kv },
    { misplace: 'hidden', kind: 'hidden-state-through-host', changes: stages, bytes: ({ hiddenSize }) => hiddenSize * 4 },
    { misplace: 'kv', kind: 'kv-cache-on-cpu', changes: stages, bytes: kv },
  ];
}

function check(numDevices: number): GpuCheck {
  const where = numDevices > 1 ? 'two GPUs' : 'one GPU';
  const includeDevices = Array.from({ length: numDevices }, (_, index) => deviceId('cuda', index));
  return {
    name: `alignment: each misplaced kind is reported alone, with its bytes, on ${where}`,
    devices: numDevices,
    async run() {
      const engine = openEngine();
      const model = await engine.request('model-describe', { source: tiny?.folder ?? '' }).finally(() => engine.end());
      const lines: string[] = [];
      for (const { misplace, kind, changes, bytes, isUnrepairable } of cases(includeDevices)) {
        const aligned = await watch({ includeDevices, ...changes, misplace: [] });
        if (aligned.messages.length > 0) {
          throw new Error(`nothing was misplaced, but: ${aligned.messages.map(({ message }) => message).join(' / ')}`);
        }
        const misaligned = await watch({ includeDevices, ...changes, misplace: [misplace] });
        const kinds = new Set(misaligned.messages.map((message) => message.kind));
        const reported = misaligned.messages.reduce((sum, message) => sum + (message.bytesPerToken ?? 0), 0);
        if (kinds.size !== 1 || !kinds.has(kind) || misaligned.messages.some(({ state }) => state !== 'found')) {
          throw new Error(`${misplace}: expected ${kind} alone, got ${misaligned.messages.map((message) => `${message.kind}: ${message.message}`).join(' / ') || 'nothing'}`);
        }
        // The residual between stages is f32 or bf16, whichever the precision says.
        const expected = bytes(model);
        if (reported !== expected && !(kind === 'hidden-state-through-host' && reported === expected / 2)) {
          throw new Error(`${misplace}: expected ${expected} bytes, reported ${reported}`);
        }
        if (misaligned.ids.join() !== aligned.ids.join()) {
          throw new Error(`${misplace}: the answer changed from ${aligned.ids.join()} to ${misaligned.ids.join()}`);
        }
        lines.push(`${misplace} ${reported} B`);
        if (isUnrepairable === true) {
          continue;
        }
        const fixed = await watch({ includeDevices, ...changes, misplace: [misplace], alignment: 'autoFix' });
        if (fixed.messages.length === 0 || fixed.messages.some(({ state }) => state !== 'fixed')) {
          throw new Error(`${misplace}: autoFix did not say that it fixed it: ${fixed.messages.map((message) => `${message.state}: ${message.message}`).join(' / ') || 'nothing'}`);
        }
      }
      return lines.join(', ');
    },
  };
}

export const alignmentChecks: readonly GpuCheck[] = [check(1), check(2)];
