/** What tests use of Node. */
declare const process: { readonly env: Readonly<Record<string, string | undefined>> }
