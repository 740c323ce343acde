import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dtypeBytes } from '../../../src/common/dtype';
import { parseSafetensorsHeader, readSafetensorsHeader } from '../../../src/checkpoint/safetensorsHeader';
import { f32, put, safetensors, temporaryFolder } from './files';

const folder = temporaryFolder();
const read = (bytes: Uint8Array, signal?: AbortSignal) => readSafetensorsHeader(put(join(folder, 'x.safetensors'), bytes), signal);

describe('readSafetensorsHeader', () => {
  it('gives positions from the start of the file, in file order', async () => {
    const header = JSON.stringify({ __metadata__: { format: 'pt' }, second: f32(4, 2, 2), first: f32(0, 1), empty: f32(20, 0, 7), scalar: { dtype: 'BF16', shape: [], data_offsets: [20, 22] } });
    const { tensors, fileBytes } = await read(safetensors(`${header}   `, 22));
    const start = 8 + header.length + 3;
    expect(fileBytes).toBe(start + 22);
    expect(tensors.map(({ name, dtype, shape, fileOffset, byteLength }) => [name, dtype, shape, fileOffset - start, byteLength])).toEqual([
      ['first', 'f32', [1], 0, 4],
      ['second', 'f32', [2, 2], 4, 16],
      ['empty', 'f32', [0, 7], 20, 0],
      ['scalar', 'bf16', [], 20, 2],
    ]);
  });

  const deep = `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`;
  it.each([
    ['an empty file', new Uint8Array(0), 'truncated'],
    ['nine bytes', new Uint8Array(9), 'truncated'],
    ['a header of 2^60 bytes', safetensors('{}', 0, 1n << 60n), 'header-too-large'],
    ['a header just over the cap', safetensors('{}', 0, 100_000_001n), 'header-too-large'],
    ['a header longer than the file', safetensors('{}', 0, 3n), 'truncated'],
    ['text that is no JSON', safetensors('{"a":', 0), 'header-not-json'],
    ['a list', safetensors('[]', 0), 'header-not-json'],
    ['a header that begins with a space', safetensors(' {}', 0), 'header-not-json'],
    ['bytes that are no UTF-8', Buffer.concat([safetensors('', 0, 3n), Buffer.from([0x7b, 0xff, 0x7d])]), 'header-not-json'],
    ['deep nesting', safetensors(deep, 0), 'header-too-deep'],
    ['a name twice', safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4), 'duplicate-name'],
    ['a key twice in an entry', safetensors('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', 4), 'duplicate-name'],
    ['an entry that is a number', safetensors({ a: 1 }, 0), 'bad-entry'],
    ['metadata that is no map of texts', safetensors({ __metadata__: { a: 1 } }, 0), 'bad-entry'],
    ['an unknown dtype', safetensors({ a: { ...f32(0, 1), dtype: 'F33' } }, 4), 'unknown-dtype'],
    ['a dtype from the prototype', safetensors({ a: { ...f32(0, 1), dtype: 'constructor' } }, 4), 'unknown-dtype'],
    ['no dtype', safetensors({ a: { shape: [1], data_offsets: [0, 4] } }, 4), 'unknown-dtype'],
    ['a fractional size', safetensors({ a: { ...f32(0, 1), shape: [0.5] } }, 4), 'bad-shape'],
    ['a negative size', safetensors({ a: { ...f32(0, 1), shape: [-1] } }, 4), 'bad-shape'],
    ['a shape that is text', safetensors({ a: { ...f32(0, 1), shape: '1' } }, 4), 'bad-shape'],
    ['a hundred dimensions', safetensors({ a: { ...f32(0, 1), shape: new Array(100).fill(1) } }, 4), 'bad-shape'],
    ['a product beyond 2^53', safetensors({ a: { ...f32(0, 1), shape: [2 ** 40, 2 ** 40] } }, 4), 'bad-shape'],
    ['a size of 1e300', safetensors('{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}', 4), 'bad-shape'],
    ['one offset', safetensors({ a: { ...f32(0, 1), data_offsets: [0] } }, 4), 'bad-offsets'],
    ['a negative offset', safetensors({ a: { ...f32(0, 1), data_offsets: [-4, 0] } }, 4), 'bad-offsets'],
    ['offsets backwards', safetensors({ a: { ...f32(0, 1), data_offsets: [4, 0] } }, 4), 'bad-offsets'],
    ['offsets that contradict the shape', safetensors({ a: { ...f32(0, 2), data_offsets: [0, 4] } }, 4), 'size-mismatch'],
    ['a gap', safetensors({ a: f32(0, 1), b: f32(8, 1) }, 12), 'gap-or-overlap'],
    ['a gap before the first', safetensors({ a: f32(4, 1) }, 8), 'gap-or-overlap'],
    ['an overlap', safetensors({ a: f32(0, 2), b: f32(4, 1) }, 8), 'gap-or-overlap'],
    ['two tensors in one place', safetensors({ a: f32(0, 1), b: f32(0, 1) }, 4), 'gap-or-overlap'],
    ['data cut off', safetensors({ a: f32(0, 2) }, 7), 'truncated'],
    ['bytes left over', safetensors({ a: f32(0, 1) }, 5), 'size-mismatch'],
  ])('refuses %s', async (_what, bytes, reason) => {
    const error: unknown = await read(bytes).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: `checkpoint-${reason}`, reason, fields: { path: join(folder, 'x.safetensors') } });
    // What, why and next: at least three sentences, and the file's name.
    expect((error as Error).message).toMatch(/x\.safetensors .+\. .+\. Download or copy/s);
    expect((error as Error).message.length).toBeLessThan(700);
  });

  it('reads back whatever a writer lays out (property)', () => {
    const names = fc.uniqueArray(fc.string({ maxLength: 12 }).filter((name) => name !== '__metadata__'), { maxLength: 8 });
    fc.assert(
      fc.property(names, fc.array(fc.tuple(fc.constantFrom('F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL'), fc.array(fc.nat(4), { maxLength: 4 })), { minLength: 8, maxLength: 8 }), (tensorNames, kinds) => {
        let end = 0;
        const entries = tensorNames.map((name, i) => {
          const [dtype, shape] = kinds[i]!;
          const bytes = dtypeBytes[dtype.toLowerCase() as keyof typeof dtypeBytes] * shape.reduce((a, b) => a * b, 1);
          const begin = end;
          end += bytes;
          return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
        });
        const header = Buffer.from(JSON.stringify(Object.fromEntries([...entries].reverse())));
        const tensors = parseSafetensorsHeader(header, 8 + header.length + end, '/x.safetensors');
        expect(new Map(tensors.map((t) => [t.name, [t.dtype.toUpperCase(), t.shape, t.fileOffset - 8 - header.length, t.byteLength]]))).toEqual(
          new Map(entries.map(([name, { dtype, shape, data_offsets: [a, b] }]) => [name, [dtype, shape, a, b! - a!]])),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('survives any bytes as header: it parses or names a reason (property)', () => {
    const nearly = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.json().map((text) => new TextEncoder().encode(text)), fc.dictionary(fc.string(), fc.anything()).map((value) => new TextEncoder().encode(JSON.stringify(value, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v)))));
    fc.assert(
      fc.property(nearly, fc.nat(100), (header, dataBytes) => {
        try {
          const tensors = parseSafetensorsHeader(header, 8 + header.length + dataBytes, '/x.safetensors');
          expect(tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0)).toBe(dataBytes);
        } catch (error) {
          expect(error).toHaveProperty('reason');
        }
      }),
      { numRuns: 400 },
    );
  });

  it('names the release to get where the file is whole but quantised, and a pointer of Git LFS', async () => {
    const message = async (bytes: Uint8Array): Promise<string> => {
      const error = await read(bytes).catch((thrown: unknown) => thrown);
      return (error as Error).message;
    };
    expect(await message(safetensors({ a: { ...f32(0, 1), dtype: 'F8_E4M3' } }, 4))).toMatch(/"F8_E4M3": it is of a quantised release.*get the release of the model in one of those\.$/);
    expect(await message(Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 123\n'))).toMatch(/is a Git LFS pointer.*git lfs pull/);
  });

  it('ends with CancelledError when the signal aborts', async () => {
    await expect(read(safetensors('{}', 0), AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('names a missing file', async () => {
    await expect(readSafetensorsHeader(join(folder, 'none.safetensors'))).rejects.toMatchObject({ reason: 'shard-missing' });
    await expect(readSafetensorsHeader(folder)).rejects.toMatchObject({ reason: 'unreadable' });
  });

  it.skipIf(process.platform === 'win32')('refuses a named pipe and a link in a circle instead of waiting for them', async () => {
    const pipe = join(folder, 'pipe.safetensors');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    await expect(readSafetensorsHeader(pipe)).rejects.toMatchObject({ reason: 'unreadable', message: expect.stringContaining('is not a file') });
    const circle = join(folder, 'circle.safetensors');
    symlinkSync('circle.safetensors', circle);
    await expect(readSafetensorsHeader(circle)).rejects.toMatchObject({ reason: 'unreadable' });
  });
});
