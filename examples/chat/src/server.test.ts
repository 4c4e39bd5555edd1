// The rules of the chat, as an app tests them: its own server and visitors in one process, without a port.
import { createClient } from '@rt/client'
import { established } from '@rt/client/testing'
import { createNetwork } from '@rt/server/testing'
import { afterAll, expect, it } from 'vitest'
import { type Realtime, rt } from './server'

const network = createNetwork(rt)
const visit = (token: string) => createClient<Realtime>(`${network.url}/rt`, { ...network.options, token })
const ada = visit('name=Ada&key=0123456789abcdef')
const bob = visit('name=Bob&key=fedcba9876543210')
const nobody = visit('name=Eve&key=short')

afterAll(async () => {
  for (const client of [ada, bob, nobody]) client.close()
  await rt.close()
})

it('who is in a room hears what is written there, from whom and by which node', async () => {
  const room = bob.channel('chat:42')
  const messages = room[Symbol.asyncIterator]()
  await established(bob, room)
  await ada.channel('chat:42').publish({ text: ' hello ', page: 'p', seq: 1 })
  const { value } = await messages.next()
  expect(value?.data).toEqual({ text: 'hello', page: 'p', seq: 1, node: '1' })
  expect(value?.from).toMatch(/^Ada#[0-9a-f]{12}$/)
})

it('an empty text is refused', async () => {
  const sent = ada.channel('chat:42').publish({ text: '   ', page: 'p', seq: 2 })
  await expect(sent).rejects.toMatchObject({ code: 'invalid_message' })
})

it('who shows no key is nobody, and may not write', async () => {
  const sent = nobody.channel('chat:42').publish({ text: 'hello', page: 'p', seq: 1 })
  await expect(sent).rejects.toMatchObject({ code: 'unauthenticated' })
})
