/** Lets those who want the same thing have it one after the other. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Acts when all that came before with this key are done, however they ended. */
  async take<T>(key: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(act, act);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
