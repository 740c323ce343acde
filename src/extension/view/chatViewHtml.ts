/** The page of the chat view and its content policy. Pure. */

export interface ChatViewPage {
  /** The webview's own source, for images and fonts of the extension. */
  readonly cspSource: string;
  readonly scriptUri: string;
  readonly nonce: string;
  readonly title: string;
}

/**
 * Nothing is allowed but what is named: one script with the nonce, styles with the nonce, and images and fonts of the extension itself.
 * The `csp-nonce` property is where the component toolkit looks for the nonce of the styles it makes.
 */
export function chatViewHtml({ cspSource, scriptUri, nonce, title }: ChatViewPage): string {
  const policy = [`default-src 'none'`, `script-src 'nonce-${nonce}'`, `style-src ${cspSource} 'nonce-${nonce}'`, `img-src ${cspSource} data:`, `font-src ${cspSource} data:`].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta property="csp-nonce" content="${nonce}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style nonce="${nonce}">html, body { height: 100%; margin: 0; padding: 0; } body { overflow: hidden; }</style>
</head>
<body>
<div id="root"></div>
<script nonce="${nonce}" src="${scriptUri}"></script>
</body>
</html>`;
}
