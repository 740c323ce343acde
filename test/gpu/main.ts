/** `node dist/testGpu.js [kernels-speed | pipeline-speed | profile | alignment-costs … | name part…]`: checks that need an NVIDIA GPU, or for `webgpu` any GPU with Vulkan. See tools/gpu/README.md for preparing a machine. */

import { countCudaDevices } from '../../src/cuda/cudaContext';
import { CudaDriver } from '../../src/cuda/cudaDriver';
import { measureAlignmentCosts } from './alignmentCosts';
import { alignmentChecks } from './alignmentChecks';
import { attentionChecks } from './attentionCheck';
import { decodeKernelChecks } from './decodeKernelChecks';
import { engineChecks } from './engineChecks';
import { faultChecks } from './faultChecks';
import { fusedDecoderChecks } from './fusedDecoderCheck';
import { measureFusedDecoder } from './fusedDecoderSpeed';
import { runChecks } from './harness';
import { int8CacheChecks } from './int8CacheChecks';
import { holdMemoryHere } from './memoryHolder';
import { measurePipeline, profileSteps } from './pipelineSpeed';
import { profilerChecks } from './profilerChecks';
import { webgpuChecks } from './webgpuChecks';

async function main(): Promise<number> {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const wanted = process.argv[2];
  if (wanted === 'kernels-speed') {
    await measureFusedDecoder(print);
    return 0;
  }
  if (wanted === 'pipeline-speed') {
    await measurePipeline(print, countCudaDevices(CudaDriver.load()), process.env.GLM_BIG_CHECKPOINT ?? '');
    return 0;
  }
  if (wanted === 'profile') {
    await profileSteps(print, process.env.GLM_BIG_CHECKPOINT ?? '');
    return 0;
  }
  if (wanted === 'alignment-costs') {
    return measureAlignmentCosts(process.argv.slice(3), print);
  }
  if (wanted === 'hold-memory') {
    await holdMemoryHere(Number(process.argv[3]));
    return 0;
  }
  const wantedParts = process.argv.slice(2);
  const checks = [...decodeKernelChecks, ...fusedDecoderChecks, ...engineChecks, ...faultChecks, ...alignmentChecks, ...attentionChecks, ...profilerChecks, ...int8CacheChecks, ...webgpuChecks];
  return runChecks(checks.filter(({ name }) => wantedParts.length === 0 || wantedParts.some((part) => name.includes(part))), countGpus(), print);
}

/** 0 without an NVIDIA driver: what needs none still runs. */
function countGpus(): number {
  try {
    return countCudaDevices(CudaDriver.load());
  } catch {
    return 0;
  }
}

void main().then((failed) => process.exit(failed === 0 ? 0 : 1));
