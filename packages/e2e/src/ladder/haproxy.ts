/** Debian's HAProxy in front of the nodes, with usual settings and those that a case adds. */
import { ServerProgram } from './server-program.ts'

export interface HaproxySettings {
  /** Lines of the one frontend. */
  readonly frontend?: readonly string[]
  /** Lines of `defaults`. */
  readonly defaults?: readonly string[]
}

export function startHaproxy(ports: readonly number[], { frontend = [], defaults = [] }: HaproxySettings = {}) {
  return ServerProgram.start({
    program: process.env['RT_HAPROXY'] as string,
    args: (configuration) => ['-db', '-q', '-f', configuration],
    configure: (_folder, socket) => `
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 3
  option redispatch 1
${defaults.map((line) => `  ${line}\n`).join('')}
frontend here
  bind unix@${socket}
${frontend.map((line) => `  ${line}\n`).join('')}
  default_backend nodes
backend nodes
  balance roundrobin
${ports.map((port) => `  server node${port} 127.0.0.1:${port} check inter 200ms fall 1 rise 1\n`).join('')}
`,
  })
}
