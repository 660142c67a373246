/* Draws large still parts of a page from nodes, [tag, attributes, nodes] or a text; what did not change is kept, with focus and selection. */
(function () {
  "use strict";

  function dress(element, attributes) {
    for (const name of element.getAttributeNames()) if (!(name in attributes)) element.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  function made(node) {
    return typeof node === "string" ? document.createTextNode(node) : document.createElement(node[0]);
  }

  function alike(found, node) {
    return found !== undefined && found.nodeName.toLowerCase() === (typeof node === "string" ? "#text" : node[0]);
  }

  function fit(parent, nodes) {
    nodes.forEach((node, at) => {
      let found = parent.childNodes[at];
      if (!alike(found, node)) {
        const fresh = made(node);
        if (found) found.replaceWith(fresh); else parent.append(fresh);
        found = fresh;
      }
      if (typeof node === "string") {
        if (found.data !== node) found.data = node;
      } else {
        dress(found, node[1]);
        fit(found, node[2]);
      }
    });
    while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    draw(nodes) {
      const box = document.getElementById(window.dash_clientside.callback_context.inputs_list[0].id.replace(/-nodes$/, ""));
      if (box && nodes) fit(box, nodes);
    },
  });
})();
