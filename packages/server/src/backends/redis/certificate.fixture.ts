/** A certificate for localhost that signs itself, made anew by openssl; used by the tests of this folder. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class Certificate {
  readonly #directory = mkdtempSync(join(tmpdir(), 'rt-certificate-'))
  readonly file = join(this.#directory, 'certificate.pem')
  readonly keyFile = join(this.#directory, 'key.pem')

  constructor(openssl: string) {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', this.keyFile]
    execFileSync(openssl, ['req', '-x509', '-days', '1', ...subject, ...key, '-out', this.file], { stdio: 'ignore' })
  }

  get text(): string {
    return readFileSync(this.file, 'utf8')
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
