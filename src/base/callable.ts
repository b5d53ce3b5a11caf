/**
 * `await model(inputs)` as well as `model.forward(inputs)`: instances of a subclass are functions that call their own
 * `forward`. This is how transformers.js does it, and what makes its code carry over.
 */

export abstract class Callable<Args extends unknown[], Result> {
  constructor() {
    const call = function (this: unknown, ...args: Args): Result {
      return self.forward(...args);
    };
    // The function becomes `this` of every subclass constructor, so fields and private members land on it.
    const self: this = Object.setPrototypeOf(call, new.target.prototype);
    // biome-ignore lint/correctness/noConstructorReturn: the whole point, see above
    return self;
  }

  abstract forward(...args: Args): Result;
}
