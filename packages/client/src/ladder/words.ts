/** The steps of the ladder in plain words; loaded when `client.explain()` is called. */
import type { Rung } from '../ports/transport'
import type { Need, Standing } from './decide'
import type { Problem, TimedStep } from './trace'

/** One step of what the client did to get and stay connected. */
export interface Explanation {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly text: string
}

const names: { readonly [R in Rung]: string } = {
  websocket: 'WebSocket',
  sse: 'SSE',
  'sse-post': 'SSE over POST',
  'long-poll': 'long polling',
  poll: 'polling',
}

const needs: { readonly [N in Need]: string } = {
  talk: 'The application sends often: WebSocket suits best.',
  listen: 'The application mostly listens: SSE is enough.',
  rest: 'Nobody looks, or data is to be saved: a poll now and then is enough.',
}

const standings: { readonly [S in Standing]: string } = {
  asked: 'asked for',
  good: '',
  blocked: 'did not come through lately',
  unstable: 'is cut again and again',
}

const purposes = {
  connect: 'to get connected',
  climb: 'since it would suit better',
  switch: 'since the application asked for it',
  replace: 'in place of the present connection',
} as const

const failures = {
  silent: 'nothing came through in time',
  held: 'the first frame came through and no second one: something on the way swallows or holds them back',
  dead: 'it was silent for too long',
  ended: 'it was ended',
} as const

const problems: { readonly [P in Problem]: string } = {
  offline: 'Nothing answers, not even a plain request: there is no network, or no way to the server.',
  blocked: 'The server answers a plain request, but no transport comes through.',
  'captive-portal': 'Somebody else answers in place of the server: a log-in page of this network, perhaps.',
  unauthorized: 'The server does not accept who this is.',
  server: 'Something on the way answers that the server is away or overloaded, or it says so itself.',
}

export function explain(steps: readonly TimedStep[]): Explanation[] {
  return steps.map((step) => ({ time: step.time, text: textOf(step) }))
}

function textOf(step: TimedStep): string {
  switch (step.step) {
    case 'need':
      return needs[step.need]
    case 'order':
      return `To be tried in this order: ${step.rungs.map(({ rung, standing }) => named(rung, standings[standing])).join(', ')}.`
    case 'try':
      return `Tries ${names[step.rung]}, ${purposes[step.why]}.`
    case 'proven':
      return `${names[step.rung]} works: two frames came through, ${step.ms} ms after it was opened.`
    case 'failed':
      return `${names[step.rung]} failed: ${failures[step.how]}${step.said === undefined ? '' : ` (${step.said})`}.`
    case 'blocked':
      return `Does not come through here, since another one did: ${list(step.rungs)}.`
    case 'learned':
      return learned(names[step.rung], step.lesson)
    case 'problem':
      return step.problem === null ? 'All is well again.' : problems[step.problem]
    case 'relay':
      return {
        asked: 'Asks the leading tab of this browser for its connection.',
        given: 'Hears what the leading tab hears, and has no connection of its own.',
        ended: "The leading tab's connection is not to be had, or not any more.",
      }[step.how]
    case 'wait':
      return `Waits ${step.ms} ms before the next try.`
    case 'woke':
      return {
        look: 'The page or the network came back: looks whether the connection still lives.',
        doubt:
          'The page or the network came back after a while: opens a new connection beside the old one, to be sure.',
        none: 'The page or the machine was asleep: the old connection counts as dead.',
      }[step.trust]
    default:
      return step satisfies never
  }
}

function learned(name: string, lesson: Extract<TimedStep, { step: 'learned' }>['lesson']): string {
  switch (lesson.kind) {
    case 'life':
      return `Something on the way cuts ${name} after ${lesson.ms} ms: it is renewed before that.`
    case 'heartbeat':
      return `Something on the way cuts silent connections: asks for a sign of life every ${lesson.ms} ms.`
    case 'held':
      return `Something on the way holds ${name} back, and what comes last stays there: not used for two minutes.`
    case 'unstable':
      return `${name} is cut within seconds, again and again: not used for two minutes.`
    default:
      return lesson satisfies never
  }
}

function named(rung: Rung, standing: string): string {
  return standing === '' ? names[rung] : `${names[rung]} (${standing})`
}

function list(rungs: readonly Rung[]): string {
  return rungs.map((rung) => names[rung]).join(', ')
}
