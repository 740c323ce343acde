/** What we say of the attention kernels against what the runtime prints about itself. */

import { join } from 'node:path';
import { startEngine } from '../../src/engine/client';
import { forkChild, type ForkOptions } from '../../src/engine/client/childChannel';
import { defaultLength, greedySampling } from '../../src/common/sampling';
import { loadOptions, tinyCheckpoints } from './engineFixture';
import type { GpuCheck } from './harness';

/** By the runtime's names. */
const namesOf: Readonly<Record<string, string>> = { flash: 'FLASH_ATTENTION', 'memory-efficient': 'EFFICIENT_ATTENTION', cudnn: 'CUDNN_FLASH_ATTENTION', unfused: 'MATH' };

interface Told {
  readonly said: string;
  readonly printed: readonly string[];
}

/** With the runtime's own kernels for single tokens too, which an empty list of misplaced tensors asks for. */
async function toldKernels(env: Readonly<Record<string, string>>): Promise<{ readonly prefill: Told; readonly decode: Told }> {
  const lines: string[] = [];
  const engine = startEngine({
    workerPath: join(__dirname, 'engineWorker.js'),
    env: { ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO: '1', ...env },
    fork: (options: ForkOptions) => {
      const channel = forkChild(options);
      channel.onLine((line) => lines.push(line));
      return channel;
    },
  });
  const printed = (): readonly string[] => [...new Set(lines.splice(0).flatMap((line) => [...line.matchAll(/SdpaKernel=(\w+)/g)].map(([, name]) => name ?? '')))];
  const sampling = { ...greedySampling, ...defaultLength, ignoreEos: true };
  try {
    const { assignments } = await engine.request('model-load', loadOptions(tinyCheckpoints()[0]?.folder ?? '', { alignment: 'off', misplace: [] }));
    const said = assignments[0]?.attention;
    const ids = Array.from({ length: 48 }, (_, index) => index + 1);
    const conversationKey = 'attention';
    const ask = (more: readonly number[], maxNewTokens: number): Promise<{ readonly ids: readonly number[] }> =>
      engine.request('generate', { generationId: 'attention', conversationKey, prompt: { kind: 'ids', ids: [...ids, ...more] }, options: { ...sampling, maxNewTokens, minNewTokens: maxNewTokens } });
    lines.length = 0;
    const { ids: first } = await ask([], 1);
    const prefill = { said: said?.prefill ?? 'n/a', printed: printed() };
    // The cache holds all but the last of these, so only single tokens are computed.
    await ask(first, 8);
    return { prefill, decode: { said: said?.decode ?? 'n/a', printed: printed() } };
  } finally {
    await engine.end();
  }
}

const isAsPrinted = ({ said, printed }: Told): boolean =>
  (printed.length === 1 && printed[0] === namesOf[said]) || (said === 'unfused' && !['CUDNN_FLASH_ATTENTION', 'FLASH_ATTENTION', 'EFFICIENT_ATTENTION'].some((name) => printed.includes(name)));

export const attentionChecks: readonly GpuCheck[] = [
  {
    name: 'attention: the kernel that we name is the one that the runtime prints',
    async run() {
      const withoutCudnn = { ORT_ENABLE_CUDNN_FLASH_ATTENTION: '0' };
      const withoutFlash = { ...withoutCudnn, ORT_DISABLE_FLASH_ATTENTION: '1' };
      const environments: readonly Readonly<Record<string, string>>[] = [{}, withoutCudnn, withoutFlash, { ...withoutFlash, ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '1' }];
      const outcomes: string[] = [];
      const wrong: string[] = [];
      for (const env of environments) {
        for (const [phase, told] of Object.entries(await toldKernels(env))) {
          (isAsPrinted(told) ? outcomes : wrong).push(`${phase}: we say ${told.said}, the runtime prints ${told.printed.join('+') || 'nothing'} (${JSON.stringify(env)})`);
        }
      }
      if (wrong.length > 0) {
        throw new Error([...wrong, ...outcomes].join('; '));
      }
      return outcomes.join('; ');
    },
  },
];
