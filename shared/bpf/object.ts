/**
 * Reads what the compiler made of a program for the kernel: its instructions and where they name a map (ELF-64, elf(5)). Baton
 * loads them itself instead of through libbpf: a map can then have any size, and the object needs no debug information, so
 * that it comes out the same wherever it is compiled.
 */
import { readFileSync } from 'node:fs';

export interface BpfObject {
  readonly code: Buffer;
  /** The instructions that load a map's address, a 64-bit immediate each: where, and the map's name in the source. */
  readonly mapUses: readonly { readonly at: number; readonly map: string }[];
}

/** Elf64_Rel: offset, info; the upper half of info is the symbol's index. */
const REL_SIZE = 16;
/** Elf64_Sym begins with the offset of its name. */
const SYM_SIZE = 24;

/** `section`: where the program is, as SEC() in its source has it. */
export function readBpfObject(file: string | URL, section: string): BpfObject {
  const elf = readFileSync(file);
  if (elf.readUInt32BE(0) !== 0x7f454c46) throw new Error(`${file} is not an ELF object`);
  const sections = readSections(elf);
  const code = sections.get(section);
  if (!code) throw new Error(`${file} has no section ${section}`);
  const relocations = sections.get(`.rel${section}`) ?? Buffer.alloc(0);
  const symbols = sections.get('.symtab') ?? Buffer.alloc(0);
  const names = sections.get('.strtab') ?? Buffer.alloc(0);
  const mapUses = [];
  for (let at = 0; at < relocations.length; at += REL_SIZE) {
    const symbol = relocations.readUInt32LE(at + 12) * SYM_SIZE;
    mapUses.push({
      at: Number(relocations.readBigUInt64LE(at)),
      map: readName(names, symbols.readUInt32LE(symbol)),
    });
  }
  return { code, mapUses };
}

const readName = (names: Buffer, at: number): string => names.toString('latin1', at, names.indexOf(0, at));

/** Section headers: Elf64_Ehdr has their offset at 40, size at 58, number at 60 and the names' section at 62. */
function readSections(elf: Buffer): Map<string, Buffer> {
  const table = Number(elf.readBigUInt64LE(40));
  const size = elf.readUInt16LE(58);
  const section = (index: number) => {
    const header = table + index * size;
    const start = Number(elf.readBigUInt64LE(header + 24));
    const bytes = elf.subarray(start, start + Number(elf.readBigUInt64LE(header + 32)));
    return { name: elf.readUInt32LE(header), bytes };
  };
  const names = section(elf.readUInt16LE(62)).bytes;
  const count = elf.readUInt16LE(60);
  return new Map(
    Array.from({ length: count }, (_, index) => section(index)).map(({ name, bytes }) => [
      readName(names, name),
      bytes,
    ]),
  );
}

/**
 * The instructions with the maps' fds in place: BPF_LD_IMM64 with src_reg = BPF_PSEUDO_MAP_FD (1), which is the upper half
 * of the instruction's second byte (linux/bpf.h).
 */
export function linkMaps({ code, mapUses }: BpfObject, fds: Readonly<Record<string, number>>): Buffer {
  const linked = Buffer.from(code);
  for (const { at, map } of mapUses) {
    const fd = fds[map];
    if (fd === undefined) throw new Error(`the program uses a map ${map}, which nobody has made`);
    linked[at + 1] = (linked[at + 1]! & 0x0f) | 0x10;
    linked.writeInt32LE(fd, at + 4);
  }
  return linked;
}
