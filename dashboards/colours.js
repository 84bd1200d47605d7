// Stands before the scripts of the report and of the charts' frame, in one script with each.
"use strict";
const variable = /^var\((--[\w-]+)\)$/;

// Colours arrive as names of CSS variables; whatever is exactly such a name becomes its value.
const coloured = (part, style) => {
  if (typeof part === "string") {
    const found = variable.exec(part);
    return found ? style.getPropertyValue(found[1]).trim() : part;
  }
  if (Array.isArray(part)) return part.map((inner) => coloured(inner, style));
  if (part && typeof part === "object") {
    return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, coloured(inner, style)]));
  }
  return part;
};
