"use strict";let e=require("../config.js").API_ADDRESS;const t=e,s=e.replace(/^http/,"ws");exports.API=t,exports.SOCKETS=s;
