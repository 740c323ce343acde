import { describe, expect, it } from 'vitest';
import { neededPackages, type NeededPackage } from '../../../../src/cuda/setup/neededLibraries';
import { chooseFile, compareVersions, fetchProject, parseHtmlIndex, parseJsonIndex, type IndexFile } from '../../../../src/cuda/setup/packageIndex';
import { startServer } from './cudaFixtures';

const hash = (digit: string): string => digit.repeat(64);
const base = new URL('https://index.example/simple/nvidia-cublas/');
const needed = (id: string): NeededPackage => neededPackages.find((one) => one.id === id) as NeededPackage;
const file = (fileName: string): IndexFile => ({ fileName, url: `https://files.example/${fileName}`, sha256: hash('a') });

describe('package index', () => {
  it('reads JSON, leaving out withdrawn files and those without sha256', () => {
    const text = JSON.stringify({
      files: [
        { filename: 'a.whl', url: '../../files/a.whl', hashes: { sha256: hash('A') }, size: 12 },
        { filename: 'b.whl', url: 'b.whl', hashes: { md5: 'x' } },
        { filename: 'c.whl', url: 'c.whl', hashes: { sha256: hash('c') }, yanked: 'broken' },
        { filename: 'd.whl', url: 'd.whl', hashes: { sha256: hash('d') }, yanked: false, size: 'many' },
        null,
      ],
    });
    expect(parseJsonIndex(text, base)).toEqual([
      { fileName: 'a.whl', url: 'https://index.example/files/a.whl', sha256: hash('a'), byteLength: 12 },
      { fileName: 'd.whl', url: 'https://index.example/simple/nvidia-cublas/d.whl', sha256: hash('d') },
    ]);
    expect(() => parseJsonIndex('<html>', base)).toThrow('does not answer as a package index');
  });

  it('reads the HTML that mirrors serve', () => {
    const html = `<a href="../../p/a-1.0.whl?x=1&amp;y=2#sha256=${hash('b')}" rel="internal">a</a><br/><A data-yanked="" href="b.whl#sha256=${hash('c')}">b</A><a href="c.whl">c</a>`;
    expect(parseHtmlIndex(html, base)).toEqual([{ fileName: 'a-1.0.whl', url: 'https://index.example/p/a-1.0.whl?x=1&y=2', sha256: hash('b') }]);
  });

  it('asks for JSON and takes what it gets', async () => {
    const server = await startServer({
      '/simple/json-project/': (request, response) => {
        expect(request.headers.accept).toContain('application/vnd.pypi.simple.v1+json');
        response.writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' }).end(JSON.stringify({ files: [{ filename: 'x.whl', url: '/x.whl', hashes: { sha256: hash('1') } }] }));
      },
      '/simple/html-project/': (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end(`<a href="/y.whl#sha256=${hash('2')}">y</a>`),
    });
    const names = async (project: string) => (await fetchProject(`${server.url}/simple/`, project, { proxy: '' })).map((one) => one.fileName);
    expect(await names('json-project')).toEqual(['x.whl']);
    expect(await names('html-project')).toEqual(['y.whl']);
    await expect(names('missing')).rejects.toThrow('answers with status 404. Check the index address.');
  });

  it('chooses the newest version within the prefix, for this system only', () => {
    const files = [
      'nvidia_cublas-13.0.2.14-py3-none-manylinux_2_27_x86_64.whl',
      'nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl',
      'nvidia_cublas-13.1.10.3-py3-none-manylinux_2_27_x86_64.whl',
      'nvidia_cublas-13.1.9.3-py3-none-manylinux_2_27_x86_64.whl',
      'nvidia_cublas-13.1.10.3-py3-none-manylinux_2_27_aarch64.whl',
      'nvidia_cublas-13.1.10.3-py3-none-win_amd64.whl',
      'nvidia_cublas-13.10.0.20-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl',
      'nvidia_cublas-13.1.11.dev1.tar.gz',
    ].map(file);
    const choose = (platform: NodeJS.Platform, arch: string): string => chooseFile(needed('nvidia-cublas'), files, platform, arch).fileName;
    expect(choose('linux', 'x64')).toBe('nvidia_cublas-13.1.10.3-py3-none-manylinux_2_27_x86_64.whl');
    expect(choose('linux', 'arm64')).toBe('nvidia_cublas-13.1.10.3-py3-none-manylinux_2_27_aarch64.whl');
    expect(choose('win32', 'x64')).toBe('nvidia_cublas-13.1.10.3-py3-none-win_amd64.whl');
    expect(() => chooseFile(needed('nvidia-cublas'), files.slice(0, 1), 'linux', 'x64')).toThrow('has no nvidia-cublas 13.1 for linux-x64');
  });

  it('takes the provider of the very runtime version, from any Python\'s wheel', () => {
    const files = ['onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_28_x86_64.whl', 'onnxruntime_gpu-1.30.0-cp313-cp313t-manylinux_2_28_x86_64.whl', 'onnxruntime_gpu-1.30.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl'].map(file);
    expect(chooseFile(needed('onnxruntime-gpu'), files, 'linux', 'x64')).toMatchObject({ version: '1.30.0', fileName: files[2]?.fileName });
  });

  it('orders versions by number', () => {
    expect(['13.1.2.11', '13.10', '13.1', '9.28.1.4'].sort(compareVersions)).toEqual(['9.28.1.4', '13.1', '13.1.2.11', '13.10']);
  });
});
