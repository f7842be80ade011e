"use strict";exports.API_ADDRESS="https://api.livesale.invalid";
