"use strict";exports.setInside=function(s,t,e){};
