# frozen_string_literal: true

get '_qr/whoami', to: 'qrgate#whoami'
post '_qr/login', to: 'qrgate#login'
post '_qr/revoke', to: 'qrgate#revoke'
