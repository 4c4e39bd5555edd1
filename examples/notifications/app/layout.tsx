/** The document around every page. */
import type { Metadata, Viewport } from 'next'
import type { ReactNode } from 'react'
import './page.css'

export const metadata: Metadata = {
  title: 'rt notifications',
  description: 'A badge that is right at once, and stays right.',
}
export const viewport: Viewport = { colorScheme: 'light dark' }

export default function Layout({ children }: { readonly children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}
