// Runs the suite's own server from the folder that is named, on the loopback interface, and prints its port.
//
// Its answers are left as they are, but for one thing: no more of a body is sent than its Content-Length says. The rest
// would stay in a pooled connection, be read as the beginning of the next answer, and fail another test. Idle
// connections stay open, so that no client meets one that is being closed.
import http from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = process.argv[2]
Object.assign(process.env, { npm_config_protocol: 'http', npm_config_port: '0' })
process.env.npm_config_pidfile = path.join(folder, 'server.pid')
process.stdin.resume().on('end', () => process.exit(0)) // whoever started it is gone

const createServer = http.createServer
http.createServer = handle => {
  const server = createServer(handle)
  const listen = server.listen
  server.keepAliveTimeout = 600_000
  server.listen = () => listen.call(server, { port: 0, host: '127.0.0.1' })
  server.prependListener('listening', () => console.log(server.address().port))
  server.prependListener('request', (_, response) => {
    const end = response.end
    response.end = function (body, ...rest) {
      const declared = Number(response.getHeader('content-length'))
      return end.call(this, declared < body?.length ? body.slice(0, declared) : body, ...rest)
    }
  })
  return server
}
await import(pathToFileURL(path.join(folder, 'server', 'server.mjs')))
