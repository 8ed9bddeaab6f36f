// The block in the editor: it shows what the server renders, and gets its title from the server too. There is no build step.
(function (blocks, element, ServerSideRender) {
  blocks.registerBlockType('qrgate/button', {
    edit: () => element.createElement('div', {}, element.createElement(ServerSideRender, { block: 'qrgate/button' })),
    save: () => null,
  });
})(window.wp.blocks, window.wp.element, window.wp.serverSideRender);
