// What Next adds to the platform's types: style sheets, `fetch` options.
/// <reference types="next" />
