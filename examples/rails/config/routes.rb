Rails.application.routes.draw do
  root "home#show"
  get "/session/new", to: "sessions#new"
  post "/session", to: "sessions#create"
  post "/session/end", to: "sessions#destroy"

  mount QRGate::Engine => "/_qr" # qrgate:
end
