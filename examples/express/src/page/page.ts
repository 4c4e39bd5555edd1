/** The page of the example: shows the newest message of the board, counts those that came, and publishes. */
import { createClient } from '@rt/client'
import type { Realtime } from '../server'

const find = (id: string) => document.querySelector(`#${id}`) as HTMLElement
const show = (id: string, text: string) => {
  find(id).textContent = text
}

const client = createClient<Realtime>('/rt')
const board = client.channel('board')
let count = 0
board.subscribe(
  ({ data }) => {
    show('newest', data.text)
    show('count', String(++count))
  },
  { last: 1 },
)
client.on('transport', (transport) => show('transport', transport ?? 'none'))

const input = find('text') as HTMLInputElement
find('publish').addEventListener('submit', async (event) => {
  event.preventDefault()
  try {
    await board.publish({ text: input.value })
    input.value = ''
  } catch (error) {
    show('newest', error instanceof Error ? error.message : String(error))
  }
})
