{{- define "livesale.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "livesale.secret" -}}
{{- .Values.existingSecret | default (include "livesale.name" .) -}}
{{- end -}}

{{- define "livesale.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "livesale.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "livesale.labels" -}}
{{ include "livesale.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | quote }}
{{- end -}}

{{/* What all containers have: no rights, a root that cannot be written, settings and secrets. */}}
{{- define "livesale.container" -}}
image: {{ include "livesale.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
envFrom:
  - configMapRef:
      name: {{ include "livesale.name" .root }}{{ if eq .role "migrate" }}-migrate{{ end }}
  - secretRef:
      name: {{ .root.Values.existingSecret | default (printf "%s%s" (include "livesale.name" .root) (eq .role "migrate" | ternary "-migrate" "")) }}
volumeMounts:
  - name: data
    mountPath: /data
  - name: tmp
    mountPath: /tmp
{{- if and .root.Values.mediaClaim (ne .role "writer") (ne .role "migrate") }}
  - name: media
    mountPath: /media
{{- end }}
{{- end -}}

{{- define "livesale.pod" -}}
serviceAccountName: {{ if eq .role "migrate" }}default{{ else }}{{ include "livesale.name" .root }}{{ end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: data
    emptyDir:
      medium: Memory
      sizeLimit: 64Mi
  - name: tmp
    emptyDir:
      sizeLimit: 256Mi
{{- if and .root.Values.mediaClaim (ne .role "writer") (ne .role "migrate") }}
  - name: media
    persistentVolumeClaim:
      claimName: {{ .root.Values.mediaClaim }}
{{- end }}
{{- end -}}

{{- define "livesale.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "livesale.selector" . | nindent 8 }}
{{- end -}}

{{- define "livesale.settings" -}}
LIVESALE__ENV: prod
LIVESALE__DATA_DIR: /data
{{- if .Values.mediaClaim }}
LIVESALE__MEDIA__FOLDER: /media
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}
