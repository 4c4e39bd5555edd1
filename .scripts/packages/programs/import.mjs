// The packages by `import`.
import { createServer } from 'node:http'
import * as client from '@rt/client'
import * as server from '@rt/server'
import { onNode } from './exchange.mjs'

console.log(JSON.stringify(await onNode(server, client, createServer)))
