# frozen_string_literal: true

module RedmineQrgate
  # A session on a phone lasts as long as the person chose, and no longer than Redmine's own settings allow.
  module ApplicationControllerPatch
    extend ActiveSupport::Concern

    prepended do
      after_action { QRGate::Stay.apply(session) }
    end

    def session_expired?
      ends = session[QRGate::Stay::KEY]
      (ends.is_a?(Integer) && ends <= Time.now.to_i) || super
    end
  end
end
