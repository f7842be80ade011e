"use strict";let t="https://api.livesale.invalid";const e=t,s=t.replace(/^http/,"ws");exports.API=e,exports.SOCKETS=s;
