// The client in a page that a bundler has built: the result is the page's title.
import { createClient } from '@rt/client'
import { exchange } from './exchange.mjs'

const said = exchange(createClient, '/rt', ['websocket', 'sse', 'long-poll']).then(String, String)
document.title = await said
