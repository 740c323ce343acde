/** Which libraries the CUDA provider needs, what they are called on each system, and which package carries them. */

/** The runtime that this product ships; its CUDA provider must be of the very same version. */
export const ortVersion = '1.30.0';

export type PackageId = 'onnxruntime-gpu' | 'nvidia-cuda-runtime' | 'nvidia-cublas' | 'nvidia-curand' | 'nvidia-cuda-nvrtc' | 'nvidia-cudnn-cu13';

export interface NeededLibrary {
  readonly title: string;
  /** The exact name that the loader asks for: the ELF SONAME, or the DLL. */
  readonly fileName: string;
  /** The same library in any version; the first group is the version in the name. */
  readonly anyVersion: RegExp;
  /** The version that counts, for messages: `13`, `9`, `1.30.0`. */
  readonly wantedVersion: string;
  readonly packageId: PackageId;
  /** Part of the runtime itself: lies beside libonnxruntime and has no SONAME to check. */
  readonly isProvider: boolean;
}

export interface NeededPackage {
  readonly id: PackageId;
  /** Newest version with this prefix. CUDA 13.0 is what driver 580 speaks natively, so its packages are kept to that release. */
  readonly versionPrefix: string;
  /** The files to unpack, by their names without folders. */
  readonly keep: RegExp;
  readonly licence: string;
  /** Unpacked bytes over packed ones, rounded up from the packages of November 2026; for the check of disk space. */
  readonly unpackedRatio: number;
}

type System = 'linux' | 'win32';

/** CUDA 13 exists for Linux on x64 and arm64 and for Windows on x64. */
export function isCudaSystem(platform: NodeJS.Platform, arch: string): boolean {
  return (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) || (platform === 'win32' && arch === 'x64');
}

/** In the order in which they must be loaded: each needs at most the ones before it. */
export function neededLibraries(platform: NodeJS.Platform): readonly NeededLibrary[] {
  const system: System = platform === 'win32' ? 'win32' : 'linux';
  const cuda = (title: string, name: string, major: string, packageId: PackageId, windowsVersion = major): NeededLibrary => ({
    title,
    fileName: system === 'linux' ? `lib${name}.so.${major}` : `${name}64_${windowsVersion}.dll`,
    anyVersion: system === 'linux' ? new RegExp(`^lib${name}\\.so\\.(\\d+)(?:\\.|$)`) : new RegExp(`^${name}64_(\\d+)(?:_\\d+)?\\.dll$`, 'i'),
    wantedVersion: major,
    packageId,
    isProvider: false,
  });
  const provider = (title: string, name: string): NeededLibrary => ({
    title,
    fileName: system === 'linux' ? `libonnxruntime_providers_${name}.so` : `onnxruntime_providers_${name}.dll`,
    anyVersion: system === 'linux' ? new RegExp(`^libonnxruntime_providers_${name}\\.so()$`) : new RegExp(`^onnxruntime_providers_${name}\\.dll()$`, 'i'),
    wantedVersion: ortVersion,
    packageId: 'onnxruntime-gpu',
    isProvider: true,
  });
  return [
    cuda('CUDA runtime', 'cudart', '13', 'nvidia-cuda-runtime'),
    cuda('cuBLAS Lt', 'cublasLt', '13', 'nvidia-cublas'),
    cuda('cuBLAS', 'cublas', '13', 'nvidia-cublas'),
    cuda('cuRAND', 'curand', '10', 'nvidia-curand'),
    cuda('NVRTC', 'nvrtc', '13', 'nvidia-cuda-nvrtc', '130_0'),
    cuda('cuDNN', 'cudnn', '9', 'nvidia-cudnn-cu13'),
    provider('ONNX Runtime provider bridge', 'shared'),
    provider('ONNX Runtime CUDA provider', 'cuda'),
  ];
}

const proprietary = 'NVIDIA software licence';

export const neededPackages: readonly NeededPackage[] = [
  { id: 'nvidia-cuda-runtime', versionPrefix: '13.0', keep: /^(libcudart\.so\.13|cudart64_13\.dll)$/, licence: proprietary, unpackedRatio: 1 },
  { id: 'nvidia-cublas', versionPrefix: '13.1', keep: /^(libcublas(Lt)?\.so\.13|cublas(Lt)?64_13\.dll)$/, licence: proprietary, unpackedRatio: 1.6 },
  { id: 'nvidia-curand', versionPrefix: '10.4.0', keep: /^(libcurand\.so\.10|curand64_10\.dll)$/, licence: proprietary, unpackedRatio: 1.6 },
  { id: 'nvidia-cuda-nvrtc', versionPrefix: '13.0', keep: /^(libnvrtc(-builtins)?\.so\.13(\.0)?|nvrtc(-builtins)?64_130(_0)?\.dll)$/, licence: proprietary, unpackedRatio: 1.6 },
  { id: 'nvidia-cudnn-cu13', versionPrefix: '9', keep: /^(libcudnn(_[a-z_]+)?\.so\.9|cudnn(_[a-z_]+)?64_9\.dll)$/, licence: proprietary, unpackedRatio: 2 },
  { id: 'onnxruntime-gpu', versionPrefix: ortVersion, keep: /^(lib)?onnxruntime_providers_(cuda|shared)\.(so|dll)$/, licence: 'MIT', unpackedRatio: 1.3 },
];
