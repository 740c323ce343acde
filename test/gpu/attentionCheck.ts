/** What we say of the attention kernels against what the runtime prints about itself. */

import { join } from 'node:path';
import { startEngine } from '../../src/engine/client';
import { forkChild, type ForkOptions } from '../../src/engine/client/childChannel';
import { loadOptions, tinyCheckpoints } from './engineFixture';
import type { GpuCheck } from './harness';

/** By the runtime's names. */
const namesOf: Readonly<Record<string, string>> = { flash: 'FLASH_ATTENTION', 'memory-efficient': 'EFFICIENT_ATTENTION', cudnn: 'CUDNN_FLASH_ATTENTION', unfused: 'MATH' };

async function printedKernels(env: Readonly<Record<string, string>>): Promise<{ readonly said: string; readonly printed: readonly string[] }> {
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
  try {
    const { assignments } = await engine.request('model-load', loadOptions(tinyCheckpoints()[0]?.folder ?? ''));
    await engine.request('logits', { ids: Array.from({ length: 48 }, (_, index) => index + 1) });
    const printed = lines.flatMap((line) => [...line.matchAll(/SdpaKernel=(\w+)/g)].map(([, name]) => name ?? ''));
    return { said: assignments[0]?.attention?.prefill ?? 'n/a', printed: [...new Set(printed)] };
  } finally {
    await engine.end();
  }
}

export const attentionChecks: readonly GpuCheck[] = [
  {
    name: 'attention: the kernel that we name is the one that the runtime prints',
    async run() {
      const outcomes: string[] = [];
      const environments: readonly Readonly<Record<string, string>>[] = [{}, { ORT_DISABLE_FLASH_ATTENTION: '1' }, { ORT_DISABLE_FLASH_ATTENTION: '1', ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION: '1' }];
      for (const env of environments) {
        const { said, printed } = await printedKernels(env);
        const isAsPrinted = printed.includes(namesOf[said] ?? '') || (said === 'unfused' && !printed.includes('FLASH_ATTENTION') && !printed.includes('EFFICIENT_ATTENTION'));
        if (!isAsPrinted) {
          throw new Error(`we say ${said}, the runtime prints ${printed.join(', ') || 'nothing'} (${JSON.stringify(env)})`);
        }
        outcomes.push(`${said} = ${printed.join('+') || 'no fused kernel printed'}`);
      }
      return outcomes.join('; ');
    },
  },
];
