# frozen_string_literal: true

module RedmineQrgate
  class Hooks < Redmine::Hook::ViewListener
    include QRGate::Helper

    # The button on My account.
    def view_my_account_contextual(context)
      return unless Settings.allows?(context[:user])

      link_to l(:button_qrgate), Settings.ticket_path, method: :post, class: 'icon icon-server-authentication'
    end

    # The link on the sign-in page.
    def view_account_login_bottom(context)
      controller = context[:controller]
      path = controller.send(:validate_back_url, controller.back_url) || my_page_path
      content_tag :p, qrgate_signin_link(l(:label_qrgate_signin), next_path: path), style: 'text-align: center'
    end

    # A password was checked, and the second factor if there is one. A sign-in by code checks neither.
    def controller_account_success_authentication_after(context)
      context[:controller].session['auth_time'] = Time.now.to_i unless context[:request].env['qrgate.message']
    end
  end
end
