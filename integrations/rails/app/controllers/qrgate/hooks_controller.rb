# frozen_string_literal: true

module QRGate
  # The hooks that qrgate calls. Their base is Rails' own controller, so that login walls and other filters of the
  # application's ApplicationController do not apply.
  class HooksController < ActionController::Base
    include Hooks

    if Accounts.rails8?
      include ::Authentication
      allow_unauthenticated_access
    end
  end
end
