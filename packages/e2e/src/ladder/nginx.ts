/** Debian's nginx in front of the nodes, with its default settings and those that a case adds. */
import { join } from 'node:path'
import { ServerProgram } from './server-program.ts'

export interface NginxSettings {
  /** Directives of the one location, beside `proxy_pass`. */
  readonly location?: string
  /** Parameters of each node, such as `max_fails=0`. */
  readonly server?: string
  /** Directives of `http`. */
  readonly http?: string
}

/** What nginx needs to let WebSockets through. */
export const passUpgrade = `
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_of_upgrade;`

export function startNginx(ports: readonly number[], { location = '', http = '', server = '' }: NginxSettings = {}) {
  const root = process.getuid?.() === 0
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return ServerProgram.start({
    program: process.env['RT_NGINX'] as string,
    args: (configuration, folder) => ['-p', folder, '-e', 'stderr', '-c', configuration],
    configure: (folder, socket) => `
daemon off;
${root ? 'user root;' : ''}
worker_processes 1;
pid ${join(folder, 'pid')};
error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off;
  ${bodies.map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n  ')}
  map $http_upgrade $connection_of_upgrade { default upgrade; '' ''; }
  upstream nodes { ${ports.map((port) => `server 127.0.0.1:${port} ${server};`).join(' ')} }
  ${http}
  server {
    listen unix:${socket};
    location / {
      proxy_pass http://nodes;
      ${location}
    }
  }
}
`,
  })
}
