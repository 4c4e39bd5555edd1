// docs/protocol.md and docs/errors.md against what is true: the tables of the code, and a running server that the transcripts are replayed on.
import { readFileSync, writeFileSync } from 'node:fs'
import { errorTable, limits } from '@rt/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ServerProcess } from './server-process'
import { readTranscripts, replay } from './transcript'

const repo = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, repo), 'utf8')
const page = read('docs/protocol.md')

/** `RT_RECORD=1` writes what the server answers into the page, for whoever changes the protocol. */
const recording = process.env['RT_RECORD'] !== undefined

describe('docs/protocol.md', () => {
  it('tells every event and every command, in the order of frames.ts', () => {
    const types = [...read('packages/protocol/src/frames.ts').matchAll(/readonly type: '(\w+)'/g)].map(
      ([, type]) => type,
    )
    const headings = [...page.matchAll(/^### `(\w+)`$/gm)].map(([, type]) => type)
    // `result` has two shapes. Its own members are described beside the error shape.
    expect(headings).toEqual([...new Set(types)])
  })

  it('names the members of each event and command, and which of them may be absent', () => {
    const source = read('packages/protocol/src/frames.ts')
    for (const [, body = '', type = ''] of source.matchAll(
      /export interface \w+ \{\n((?: {2}.*\n)*? {2}readonly type: '(\w+)'\n(?: {2}.*\n)*)\}/g,
    )) {
      const members = [...body.matchAll(/^ {2}readonly (\w+\??):/gm)].map(([, member]) => member)
      const told = new RegExp(`### \`${type}\`\\n\\n\`\\{ (.*?) \\}\``).exec(page)?.[1]?.replace(/: \[\{.*?\}\]/, '')
      expect(told?.split(', ').sort(), type).toEqual(members.sort())
    }
  })

  it.each([
    ['packages/protocol/src/frames.ts', 'PollBody'],
    ['packages/protocol/src/errors.ts', 'ErrorBody'],
  ])('has a row for each member of %s %s', (path, name) => {
    const [, body = ''] = new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(read(path)) ?? []
    const members = [...body.matchAll(/^ {2}readonly (\w+)/gm)].map(([, member]) => member)
    expect(members.length).toBeGreaterThan(2)
    for (const member of members) expect(page).toMatch(new RegExp(`^\\| (\`\\w+\`, )*\`${member}\``, 'm'))
  })

  it('tells the limits of names', () => {
    for (const limit of [limits.channelLength, limits.messageIdLength, limits.cursorLength])
      expect(page).toContain(` ${limit} `)
  })

  let server: ServerProcess
  let text = page
  beforeAll(async () => {
    server = await ServerProcess.start()
  })
  afterAll(async () => {
    await server.kill()
    if (recording) writeFileSync(new URL('docs/protocol.md', repo), text)
  })

  it('has a transcript of each transport, of state, of presence and of a token that expires', () => {
    expect(readTranscripts(page).map(({ name }) => name)).toEqual([
      'websocket',
      'sse',
      'long-poll',
      'poll',
      'post',
      'state',
      'presence',
      'expiry',
    ])
  })

  it.each(readTranscripts(page))('has a true transcript: $name', async ({ lines }) => {
    const { recorded, actual, printed } = await replay(lines, server.port, recording)
    if (recording) text = text.replace(lines.join('\n'), () => printed.join('\n'))
    else expect(actual).toEqual(recorded)
  })
})

describe('docs/errors.md', () => {
  it('has a row for each code, with its status, close code and whether to come back', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \| (yes|no) \| (.+) \| (.+) \|$/gm)]
    expect(
      rows.map(([, code, status, close, retry]) => [code, Number(status), Number(close), retry === 'yes']),
    ).toEqual(
      Object.entries(errorTable).map(([code, { status, close, retryable }]) => [code, status, close, retryable]),
    )
  })
})
