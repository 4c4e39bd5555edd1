// The packages by `require`, from a CommonJS program.
const { createServer } = require('node:http')
const client = require('@rt/client')
const server = require('@rt/server')
const { onNode } = require('./exchange.mjs')

onNode(server, client, createServer).then((result) => console.log(JSON.stringify(result)))
