/** Each kind of misalignment as what provokes it, what must be said about it, and what it is compared with. Pure. */

import type { AlignmentKind } from '../../src/common/alignment';
import type { ProviderKind } from '../../src/common/deviceId';
import type { LoadOptions, ModelDescription } from '../../src/common/protocol/engine';

export interface Provocation {
  readonly label: string;
  readonly kind: AlignmentKind;
  readonly changes: Partial<LoadOptions>;
  readonly env?: Readonly<Record<string, string>>;
  /** The loads that this is compared with; same context, same number of stages. */
  readonly baseline: string;
  /** Bytes that must be reported per token, of all messages together; undefined where there is no such figure. */
  readonly bytesPerToken?: number;
  /** How it is put right. */
  readonly fix: string;
  /** Fewer tokens where each takes long. */
  readonly isSlow?: boolean;
}

export interface Baseline {
  readonly label: string;
  readonly changes: Partial<LoadOptions>;
  readonly promptTokens: number;
}

export const oneStage = 'aligned';
export const twoStages = 'aligned, two stages';
export const longPrompt = 'aligned, long prompt';

export function baselines(longTokens: number): readonly Baseline[] {
  return [
    { label: oneStage, changes: { misplace: [] }, promptTokens: 128 },
    { label: twoStages, changes: { misplace: [], numStages: 2 }, promptTokens: 128 },
    { label: longPrompt, changes: { misplace: [], contextTokens: longTokens + 64 }, promptTokens: longTokens },
  ];
}

export interface Sizes {
  readonly model: ModelDescription;
  readonly contextTokens: number;
  readonly idBytes: number;
  readonly residualBytes: number;
  readonly kvBytes: number;
}

/** The graph's own widths on a provider: see src/model/precision.ts. */
export function sizesOn(provider: ProviderKind, model: ModelDescription, contextTokens: number, hasF16: boolean): Sizes {
  return provider === 'cuda'
    ? { model, contextTokens, idBytes: 8, residualBytes: 2, kvBytes: 2 }
    : { model, contextTokens, idBytes: 4, residualBytes: 4, kvBytes: hasF16 ? 2 : 4 };
}

/** What one load of one model provokes. `withoutProvider` is a folder with the runtime and none of its GPU providers. */
export function provocations(provider: ProviderKind, { model, contextTokens, idBytes, residualBytes, kvBytes }: Sizes, withoutProvider: string | undefined): readonly Provocation[] {
  const gpu = `${provider}:0`;
  const cacheBytes = model.numLayers * 2 * model.numKvHeads * model.headDim * contextTokens * kvBytes;
  const tensor = (label: string, kind: AlignmentKind, misplace: NonNullable<LoadOptions['misplace']>[number], bytesPerToken: number, baseline = oneStage): Provocation => ({
    label,
    kind,
    changes: { misplace: [misplace], ...(baseline === twoStages ? { numStages: 2 } : {}) },
    baseline,
    bytesPerToken,
    fix: 'by itself (autoFix)',
  });
  const [firstOnCpu, endOnCpu] = [Math.floor(model.numLayers / 2), Math.max(Math.floor(model.numLayers / 2) + 1, Math.floor((model.numLayers * 3) / 4))];
  const layers = (first: number, end: number, device: string): Record<string, string> => (first < end ? { [`model.layers.${first}-${end - 1}`]: device } : {});
  return [
    tensor('input_ids on cpu', 'host-bound-inputs', 'input_ids', idBytes),
    tensor('positions (seqlens_k) on cpu', 'host-bound-inputs', 'positions', 4),
    tensor('logits left on the device', 'host-bound-inputs', 'logits', model.vocabSize * 4),
    tensor('KV cache on cpu', 'kv-cache-on-cpu', 'kv', cacheBytes),
    tensor('hidden state through the host', 'hidden-state-through-host', 'hidden', model.hiddenSize * residualBytes, twoStages),
    { label: 'one node on cpu', kind: 'node-fallback', changes: { misplace: ['node'] }, baseline: oneStage, bytesPerToken: 2 * model.hiddenSize * 4, fix: 'an operator that the provider has' },
    { label: 'KV cache of two sequences, one planned', kind: 'plan-differs', changes: { misplace: ['plan'] }, baseline: oneStage, fix: 'a bug report' },
    ...(provider === 'cuda'
      ? [
          {
            label: 'fused attention forbidden',
            kind: 'unfused-attention' as const,
            changes: { misplace: [] },
            env: { ORT_DISABLE_FLASH_ATTENTION: '1', ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '1', ORT_ENABLE_CUDNN_FLASH_ATTENTION: '0' },
            baseline: longPrompt,
            fix: 'the variables unset',
          },
        ]
      : []),
    {
      label: `layers ${firstOnCpu}-${endOnCpu - 1} of ${model.numLayers} on cpu`,
      kind: 'stage-on-cpu',
      changes: { misplace: [], deviceMap: { kind: 'map', map: { ...layers(0, firstOnCpu, gpu), ...layers(firstOnCpu, endOnCpu, 'cpu'), ...layers(endOnCpu, model.numLayers, gpu) } } },
      baseline: oneStage,
      fix: 'the device map "auto"',
      isSlow: true,
    },
    ...(provider === 'cuda'
      ? withoutProvider === undefined
        ? []
        : [
            {
              label: 'CUDA provider missing, cpu taken',
              kind: 'provider-replaced' as const,
              changes: { provider: 'auto' as const, weights: 'auto' as const, ortLibrary: withoutProvider, misplace: undefined },
              // Nothing else that a driver offers shall step in.
              env: { VK_ICD_FILENAMES: '/dev/null', VK_DRIVER_FILES: '/dev/null' },
              baseline: oneStage,
              fix: '"Set up CUDA"',
              isSlow: true,
            },
          ]
      : [{ label: 'provider replaced by cpu', kind: 'provider-replaced' as const, changes: { misplace: ['provider' as const] }, baseline: oneStage, fix: 'a working driver', isSlow: true }]),
  ];
}
