/** Keeps what is done with one channel in the order it was asked for, while channels do not wait for each other; used by commands and `rt.publish`. */

/** Runs `task` when all earlier ones of the same key are over, however they ended. */
export type Sequence = <T>(key: string, task: () => Promise<T>) => Promise<T>

export function createSequence(): Sequence {
  const tails = new Map<string, Promise<unknown>>()
  return (key, task) => {
    const before = tails.get(key)
    const result = before === undefined ? task() : before.then(task)
    const tail = result
      .catch(() => {})
      .then(() => {
        if (tails.get(key) === tail) tails.delete(key)
      })
    tails.set(key, tail)
    return result
  }
}
