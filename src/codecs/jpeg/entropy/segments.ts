/**
 * Emits what lies between the bytes of a file and the bits of a scan: zeros stuffed after 0xFF are taken out, restart
 * markers are found, and where they are not those that should come, the rules of libjpeg's `jpeg_resync_to_restart`
 * (jdmarker.c) decide. All is done in place, in the copy of the file that the memory holds.
 */
import { i8x16, i32, type ModuleBuilder, v128 } from '../../../tensor/wasm/assembler.js';
import { STATE } from './state.js';

const SOF0 = 0xc0;
const RST0 = 0xd0;
const VECTOR = 16;

export function emitSegments(module: ModuleBuilder): void {
  emitSegment(module);
  emitNextMarker(module);
  emitRestart(module);
}

/** From `source` up to the next marker: these bytes become the segment that bits are read from. */
function emitSegment(module: ModuleBuilder): void {
  module.func('jpeg_segment', {}, (f) => {
    const [from, to, byte, stop] = f.locals('i32', 4);
    const vector = f.local('v128');
    f.set(from, i32.load(0, STATE.source));
    f.set(to, from);
    f.store('i32.store', 0, from, STATE.at);
    f.block((atMarker) => {
      f.loop((again) => {
        // Sixteen bytes at once while no 0xFF is among them, else one by one.
        f.block((one) => {
          f.loop((next) => {
            f.set(vector, v128.load(from));
            f.branchIf(one, v128.any_true(i8x16.eq(vector, i8x16.splat(0xff))));
            f.store('v128.store', to, vector);
            f.increase(from, VECTOR);
            f.increase(to, VECTOR);
            f.branch(next);
          });
        });
        f.set(stop, i32.add(from, VECTOR));
        f.loop((next) => {
          f.set(byte, i32.load8U(from));
          f.increase(from, 1);
          f.if(i32.eq(byte, 0xff), () => {
            f.loop((fill) => {
              f.set(byte, i32.load8U(from));
              f.increase(from, 1);
              f.branchIf(fill, i32.eq(byte, 0xff));
            });
            f.branchIf(atMarker, byte);
            f.set(byte, 0xff);
          });
          f.store('i32.store8', to, byte);
          f.increase(to, 1);
          f.branchIf(next, i32.lt_s(from, stop));
        });
        f.branch(again);
      });
    });
    f.store('i32.store', 0, from, STATE.source);
    f.store('i32.store', 0, to, STATE.end);
    f.store('i32.store', 0, byte, STATE.marker);
  });
}

/** Passes over bytes up to a marker, and over that. */
function emitNextMarker(module: ModuleBuilder): void {
  module.func('jpeg_next_marker', {}, (f) => {
    const [from, byte] = f.locals('i32', 2);
    const next = () => {
      f.set(byte, i32.load8U(from));
      f.increase(from, 1);
    };
    f.set(from, i32.load(0, STATE.source));
    f.loop((again) => {
      f.loop((data) => {
        next();
        f.branchIf(data, i32.ne(byte, 0xff));
      });
      f.loop((fill) => {
        next();
        f.branchIf(fill, i32.eq(byte, 0xff));
      });
      f.branchIf(again, i32.eq(byte, 0));
    });
    f.store('i32.store', 0, from, STATE.source);
    f.store('i32.store', 0, byte, STATE.marker);
  });
}

/** The restart that is due: what is left of the segment is dropped, and the marker that ended it decides what comes. */
function emitRestart(module: ModuleBuilder): void {
  module.func('jpeg_restart', {}, (f) => {
    const [marker, ahead] = f.locals('i32', 2);
    // Whole bytes that nobody wanted have no place there.
    const left = i32.add(i32.shl(i32.sub(i32.load(0, STATE.end), i32.load(0, STATE.at)), 3), i32.load(0, STATE.count));
    f.if(i32.ge_s(left, 8), () => f.store('i32.store', 0, 1, STATE.damaged));
    // Where the marker stays, the next segment is an empty one.
    f.store('i32.store', 0, i32.load(0, STATE.end), STATE.at);
    f.store('i64.store', 0, 0, STATE.bits);
    for (const field of [STATE.count, STATE.emptyBlocks]) f.store('i32.store', 0, 0, field);
    f.store('v128.store', 0, v128.const(0, 0, 0, 0), STATE.dc);
    f.block((done) => {
      f.loop((again) => {
        f.set(marker, i32.load(0, STATE.marker));
        f.set(ahead, i32.and(i32.sub(i32.sub(marker, RST0), i32.load(0, STATE.nextRestart)), 7));
        const isRestart = i32.eq(i32.and(marker, 0xf8), RST0);
        f.if(i32.or(ahead, i32.eq(isRestart, 0)), () => f.store('i32.store', 0, 1, STATE.damaged));
        f.if(
          i32.lt_u(marker, SOF0),
          () => {
            f.call('jpeg_next_marker');
            f.branch(again);
          },
          () =>
            f.if(isRestart, () => {
              f.if(i32.ge_s(ahead, 6), () => {
                // One of those before: it is passed over.
                f.call('jpeg_next_marker');
                f.branch(again);
              });
              f.if(i32.lt_u(i32.sub(ahead, 1), 2), () => f.branch(done)); // one of those after: it stays
              f.call('jpeg_segment');
              f.store('i32.store', 0, 0, STATE.dry);
            }),
        );
      });
    });
    f.store('i32.store', 0, i32.load(0, STATE.interval), STATE.toGo);
    f.store('i32.store', 0, i32.and(i32.add(i32.load(0, STATE.nextRestart), 1), 7), STATE.nextRestart);
  });
}
