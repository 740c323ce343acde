/** Operators of ours for a GPU's sessions: kernels compiled for that GPU, queued on the stage's stream when the runtime comes to their nodes. */

import { KernelModule } from '../../../cuda/kernelModule';
import type { CudaStream } from '../../../cuda/cudaStream';
import gatedSiluSource from '../../../cuda/gatedSilu.cu';
import { compileKernels } from '../../../cuda/nvrtc';
import { ownDomain } from '../../../onnx/graphBuilder';
import { gatedSiluOperator } from '../../../onnx/operators';
import { CustomOpDomain } from '../../../ort/customOp';
import type { OrtLibrary } from '../../../ort/ortLibrary';

/** Elements that one thread reads at once; rows must be whole numbers of them. */
const groupElements = 8;
const threads = 256;

/** Machine code by architecture: several stages need the same. */
const images = new Map<number, Promise<Buffer>>();

export class CudaOperators implements Disposable {
  private constructor(
    readonly domain: CustomOpDomain,
    private readonly kernels: KernelModule,
  ) {}

  /** Whether an MLP of this width can use {@link gatedSiluOperator}. */
  static serves(intermediateSize: number): boolean {
    return intermediateSize % groupElements === 0;
  }

  /** @throws {KernelCompileError} when NVRTC is not there. */
  static async create(library: OrtLibrary, stream: CudaStream): Promise<CudaOperators> {
    const { context } = stream;
    const { computeCapability } = context.facts;
    const image = images.get(computeCapability) ?? compileKernels(gatedSiluSource, computeCapability, {});
    images.set(computeCapability, image);
    const kernels = new KernelModule(context, await image);
    const domain = new CustomOpDomain(library, ownDomain, [
      {
        name: gatedSiluOperator,
        provider: 'CUDAExecutionProvider',
        inputs: ['bf16'],
        outputs: ['bf16'],
        compute: (node) => {
          const { address, shape } = node.input(0);
          const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
          const width = (shape[shape.length - 1] ?? 0) / 2;
          const out = node.output(0, [...shape.slice(0, -1), width]);
          if (rows > 0) {
            const groups = width / groupElements;
            kernels.launch('gatedSilu', { grid: [Math.ceil(groups / threads), rows], threads }, stream.native, [address, out, groups]);
          }
        },
      },
    ]);
    return new CudaOperators(domain, kernels);
  }

  [Symbol.dispose](): void {
    this.domain.dispose();
    this.kernels.dispose();
  }
}
