/** Whether a node has too much to do: a state machine over what is measured of its process each second; asked about each newcomer. */
import type { Load } from '../ports/load'

/** `rising` and `falling` wait for more of the same: one collection of garbage is no overload, and one quiet second no end of it. */
export type OverloadState = 'calm' | 'rising' | 'shedding' | 'falling'

/** `well` is well below what is too much, `between` neither: at the border a node does not swing. */
type Judgement = 'over' | 'between' | 'well'

const table: { readonly [S in OverloadState]: { readonly [J in Judgement]: OverloadState } } = {
  calm: { over: 'rising', between: 'calm', well: 'calm' },
  rising: { over: 'rising', between: 'calm', well: 'calm' },
  shedding: { over: 'shedding', between: 'shedding', well: 'falling' },
  falling: { over: 'shedding', between: 'shedding', well: 'falling' },
}

/** Where a state leads that lasted long enough. */
const after: { readonly [S in OverloadState]?: OverloadState } = { rising: 'shedding', falling: 'calm' }

/** Seconds. */
export const LASTS = 5

/** Parts of what is too much below which all is well. */
const WELL = { lag: 0.5, heap: 0.9 } as const

export class Overload {
  state: OverloadState = 'calm'
  readonly #limits: Load
  #seconds = 0

  /** What is too much. */
  constructor(limits: Load) {
    this.#limits = limits
  }

  /** Newcomers are sent away. */
  get shedding(): boolean {
    return this.state === 'shedding' || this.state === 'falling'
  }

  /** Takes the measurement of one second. */
  measured(load: Load): void {
    const next = table[this.state][this.#judge(load)]
    this.#seconds = next === this.state ? this.#seconds + 1 : 1
    this.state = this.#seconds >= LASTS ? (after[next] ?? next) : next
  }

  #judge({ lag, heap }: Load): Judgement {
    const limits = this.#limits
    if (lag > limits.lag || heap > limits.heap) return 'over'
    return lag < limits.lag * WELL.lag && heap < limits.heap * WELL.heap ? 'well' : 'between'
  }
}
