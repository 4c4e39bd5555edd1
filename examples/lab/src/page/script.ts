/** Presses all buttons of the lab in random order, on each transport in turn; started by the button of page.ts. */

/** Faults on each transport, at least. */
const LEAST = 3

/** `force`: resolves when this transport is in use. `wait`: so many milliseconds until the next button. */
export async function runScript<R>(
  rungs: readonly R[],
  force: (rung: R) => Promise<void>,
  faults: readonly HTMLButtonElement[],
  seconds: number,
  wait: (milliseconds: number) => Promise<void>,
): Promise<void> {
  const each = Math.max(LEAST, Math.round(seconds / 6))
  const pace = (seconds * 1000) / (rungs.length * (each + 1))
  const pressed: HTMLButtonElement[] = []
  for (const rung of rungs) {
    await force(rung)
    await wait(pace)
    for (let i = 0; i < each; i++) {
      if (pressed.length === 0) pressed.push(...shuffled(faults))
      pressed.pop()?.click()
      await wait(pace)
    }
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}
