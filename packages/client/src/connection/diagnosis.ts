/** Why no stream came through: asks the server by a plain request after a round in vain, and tells what is wrong. Owned by the connection. */
import type { Problem, Trace } from '../ladder/trace'
import type { Closed, Post } from '../ports/transport'
import { blameOf } from './blame'

export interface DiagnosisOptions {
  readonly post: Post
  readonly token: () => string | undefined
  readonly trace: Trace
  /** Told when the problem is another one. */
  readonly changed: (problem: Problem | null) => void
}

export class Diagnosis {
  readonly #options: DiagnosisOptions
  #problem: Problem | null = null
  #asking: AbortController | null = null

  constructor(options: DiagnosisOptions) {
    this.#options = options
  }

  /** Null: none, or not known yet. */
  get problem(): Problem | null {
    return this.#problem
  }

  /** No stream came through: looks why. */
  ask(): void {
    // What was asked after the last round had the whole pause to be answered.
    if (this.#asking !== null) this.tell('offline')
    const { post, token } = this.#options
    const asking = new AbortController()
    this.#asking = asking
    const answered = (problem: Problem) => {
      if (this.#asking === asking) this.tell(problem)
    }
    post('[]', token(), asking.signal).then(
      () => answered('blocked'),
      (reason: Closed) => answered(problemOf(reason)),
    )
  }

  /** It is known without asking; null: all is well. */
  tell(problem: Problem | null): void {
    this.#asking?.abort()
    this.#asking = null
    if (problem === this.#problem) return
    this.#problem = problem
    this.#options.trace.add({ step: 'problem', problem })
    this.#options.changed(problem)
  }
}

/** What the answer to a plain request says about the way to the server. */
export function problemOf({ error, status }: Closed): Problem {
  if (error !== null) {
    const blame = blameOf(error, false)
    return blame === 'token' ? 'unauthorized' : blame === 'server' ? 'server' : 'blocked'
  }
  if (status === undefined) return 'offline'
  return status < 400 || status === 511 ? 'captive-portal' : 'server'
}
