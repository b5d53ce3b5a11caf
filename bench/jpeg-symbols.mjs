/** How many Huffman symbols a baseline JPEG in one scan has, and their bits: what entropy decoding has to get through. */

/** @returns `{ symbols, bits }`, the bits without those that are stuffed in */
export function countSymbols(bytes) {
  const { tables, components, interval, width, height, dataAt } = readHeaders(bytes);
  const read = bitReader(bytes, dataAt);
  const [hMax, vMax] = ['h', 'v'].map((side) => Math.max(...components.map((component) => component[side])));
  const mcus = Math.ceil(width / (8 * hMax)) * Math.ceil(height / (8 * vMax));
  let symbols = 0;
  for (let mcu = 0; mcu < mcus; mcu++) {
    if (mcu > 0 && mcu % interval === 0) read.restart();
    for (const { h, v, dc, ac } of components) {
      for (let block = 0; block < h * v; block++) {
        read.skip(read.symbol(tables.get(dc)));
        symbols++;
        for (let k = 1; k < 64; k++) {
          const symbol = read.symbol(tables.get(16 | ac));
          symbols++;
          if (symbol === 0) break; // end of block
          k += symbol >> 4;
          read.skip(symbol & 15);
        }
      }
    }
  }
  return { symbols, bits: read.count() };
}

function readHeaders(bytes) {
  const tables = new Map();
  let components;
  let interval = Infinity;
  let size;
  for (let at = 2; ; ) {
    const marker = bytes[at + 1];
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    if (marker === 0xc4) for (let t = at + 4; t < end; ) t = readTable(bytes, t, tables);
    if (marker === 0xdd) interval = (bytes[at + 4] << 8) | bytes[at + 5] || Infinity;
    if (marker === 0xc0) {
      size = { height: (bytes[at + 5] << 8) | bytes[at + 6], width: (bytes[at + 7] << 8) | bytes[at + 8] };
      components = Array.from({ length: bytes[at + 9] }, (_, i) => {
        const [id, factors] = bytes.subarray(at + 10 + 3 * i, at + 12 + 3 * i);
        return { id, h: factors >> 4, v: factors & 15 };
      });
    }
    if (marker === 0xda) {
      for (let i = 0; i < bytes[at + 4]; i++) {
        const [id, slots] = bytes.subarray(at + 5 + 2 * i, at + 7 + 2 * i);
        Object.assign(
          components.find((component) => component.id === id),
          { dc: slots >> 4, ac: slots & 15 },
        );
      }
      return { tables, components, interval, ...size, dataAt: end };
    }
    at = end;
  }
}

/** Codes as the keys `1 << length | code`. */
function readTable(bytes, at, tables) {
  const codes = new Map();
  let code = 0;
  let symbolAt = at + 17;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    for (let n = bytes[at + length]; n > 0; n--) codes.set((1 << length) | code++, bytes[symbolAt++]);
  }
  tables.set(bytes[at], codes);
  return symbolAt;
}

function bitReader(bytes, start) {
  let at = start;
  let left = 0;
  let count = 0;
  const bit = () => {
    if (left === 0) {
      if (bytes[at] === 0xff) at++; // and a zero after it
      at++;
      left = 8;
    }
    left--;
    count++;
    const stuffed = bytes[at - 1] === 0 && bytes[at - 2] === 0xff;
    return ((stuffed ? 0xff : bytes[at - 1]) >> left) & 1;
  };
  return {
    count: () => count,
    /** Over the marker that stands where the byte ends. */
    restart() {
      left = 0;
      at += 2;
    },
    skip(bits) {
      for (let n = bits; n > 0; n--) bit();
    },
    symbol(codes) {
      for (let key = 2 | bit(); ; key = (key << 1) | bit()) {
        const symbol = codes.get(key);
        if (symbol !== undefined) return symbol;
        if (key > 0xfffff) throw new Error('no code of the table');
      }
    },
  };
}
