import { RealtimeError } from '@rt/protocol'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import type { Rule, RuleContext } from '../channel'
import { createAuthorize } from './authorize'
import { compileContract } from './contract'

const message = z.object({})
const report = vi.fn()
const authorize = createAuthorize(report)
const me = { id: 'me' }

const channel = (subscribe?: Rule) =>
  compileContract({ 'chat:{room}': { message, ...(subscribe !== undefined && { subscribe }) } }).resolve('chat:1')
const refused = (code: string) => expect.objectContaining({ code })

beforeEach(() => void report.mockReset())

describe('authorize', () => {
  it('lets everybody in when the rule is public', async () => {
    await expect(authorize(channel('public'), 'subscribe', null)).resolves.toBeUndefined()
  })

  it('denies when there is no rule, and does not ask nobody to log in for it', async () => {
    await expect(authorize(channel(), 'subscribe', me)).rejects.toEqual(refused('forbidden'))
    await expect(authorize(channel('public'), 'publish', null)).rejects.toEqual(refused('forbidden'))
  })

  it('tells the rule who asks and what for', async () => {
    const rule = vi.fn((_: RuleContext) => true)
    await authorize(channel(rule), 'subscribe', me)
    expect(rule).toHaveBeenCalledWith({ identity: me, params: { room: '1' }, channel: 'chat:1' })
  })

  it('asks each time', async () => {
    let allowed = true
    const chat = channel(() => allowed)
    await authorize(chat, 'subscribe', me)
    allowed = false
    await expect(authorize(chat, 'subscribe', me)).rejects.toEqual(refused('forbidden'))
  })

  it('refuses an identity with forbidden, nobody with unauthenticated', async () => {
    await expect(
      authorize(
        channel(() => false),
        'subscribe',
        me,
      ),
    ).rejects.toEqual(refused('forbidden'))
    await expect(
      authorize(
        channel(async () => false),
        'subscribe',
        null,
      ),
    ).rejects.toEqual(refused('unauthenticated'))
  })

  it.each([1, 'yes', {}, [], undefined, null])('takes %j for a no', async (answer) => {
    await expect(
      authorize(
        channel(() => answer as boolean),
        'subscribe',
        me,
      ),
    ).rejects.toEqual(refused('forbidden'))
  })

  it('says that it failed when a rule throws, which is no no for good, and reports it', async () => {
    const broken = new Error('database is away')
    const rule = () => Promise.reject(broken)
    await expect(authorize(channel(rule), 'subscribe', me)).rejects.toEqual(refused('internal'))
    expect(report).toHaveBeenCalledExactlyOnceWith(broken)
  })

  it('passes a RealtimeError on', async () => {
    const error = new RealtimeError('rate_limited', 'Slowly.', { retryAfter: 5 })
    const rule = () => {
      throw error
    }
    await expect(authorize(channel(rule), 'subscribe', me)).rejects.toBe(error)
    expect(report).not.toHaveBeenCalled()
  })
})
